import type { Reporter, TestModule } from "vitest/node";

interface Skipped {
  readonly test: string;
  readonly reason: string;
}

/** A test, or a suite or file that has none to show, and the first line of what went wrong. */
interface Fault {
  readonly test: string;
  readonly message: string;
}

/** What one test file came to. */
export interface FileSummary {
  readonly path: string;
  readonly project: string;
  readonly milliseconds: number;
  readonly passed: number;
  readonly faults: readonly Fault[];
  readonly skipped: readonly Skipped[];
}

/** What a run came to, written as one JSON line to the file that SHIELDGATE_TEST_SUMMARY names. */
export interface Summary {
  readonly files: readonly FileSummary[];
  /** Errors that belong to no file. */
  readonly loose: readonly Fault[];
}

/** Counts a file's tests, what could not be loaded, and skips with their reasons. */
export function summarize(module: TestModule): FileSummary {
  let passed = 0;
  const faults: Fault[] = [];
  const skipped: Skipped[] = [];
  // a file or a hook that breaks has no test of its own to count
  for (const error of module.errors()) faults.push({ test: "(file)", message: firstLine(error) });
  for (const suite of module.children.allSuites())
    for (const error of suite.errors()) faults.push({ test: suite.fullName, message: firstLine(error) });
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === "passed") passed++;
    else if (result.state === "failed") faults.push({ test: test.fullName, message: firstLine(result.errors[0]) });
    else skipped.push({ test: test.fullName, reason: ("note" in result && result.note) || reasonIn(test.fullName) });
  }
  return {
    path: module.relativeModuleId,
    project: module.project.name,
    milliseconds: module.diagnostic().duration,
    passed,
    faults,
    skipped,
  };
}

/** The reason that the name of a test, or of one of its suites, ends with. */
function reasonIn(fullName: string): string {
  return / \(skipped: (.*?)\)(?= > |$)/.exec(fullName)?.[1] ?? "no reason given";
}

function firstLine(error: unknown): string {
  const message = error instanceof Object && "message" in error ? String(error.message) : String(error);
  return message.split("\n")[0]!.slice(0, 300);
}

export default class SummaryReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): Promise<void> {
    const path = process.env["SHIELDGATE_TEST_SUMMARY"];
    if (path === undefined) return;
    const loose = errors.map((error) => ({ test: "(no test's)", message: firstLine(error) }));
    const { writeFileSync } = await import("node:fs");
    writeFileSync(path, JSON.stringify({ files: modules.map(summarize), loose } satisfies Summary));
  }
}
