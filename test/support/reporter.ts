import type { Reporter, TestModule } from "vitest/node";

interface Skipped {
  readonly test: string;
  readonly reason: string;
}

/** What a run came to, written as one JSON line to the file that SHIELDGATE_TEST_SUMMARY names. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly Skipped[];
  /** Milliseconds a test file took. */
  readonly files: readonly { readonly path: string; readonly milliseconds: number }[];
}

/** Counts tests, files that could not be loaded, and skips with their reasons. */
export function summarize(modules: readonly TestModule[]): Summary {
  let passed = 0;
  let failed = 0;
  const skipped: Skipped[] = [];
  for (const module of modules) {
    // a file or a hook that breaks has no test of its own to count
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") passed++;
      else if (result.state === "failed") failed++;
      else skipped.push({ test: test.fullName, reason: ("note" in result && result.note) || reasonIn(test.fullName) });
    }
  }
  const files = modules.map((module) => ({
    path: module.relativeModuleId,
    milliseconds: module.diagnostic().duration,
  }));
  return { passed, failed, skipped, files };
}

/** The reason that the name of a test, or of one of its suites, ends with. */
function reasonIn(fullName: string): string {
  return / \(skipped: (.*?)\)(?= > |$)/.exec(fullName)?.[1] ?? "no reason given";
}

export default class SummaryReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): Promise<void> {
    const summary = summarize(modules);
    const path = process.env["SHIELDGATE_TEST_SUMMARY"];
    if (path === undefined) return;
    const { writeFileSync } = await import("node:fs");
    writeFileSync(path, JSON.stringify({ ...summary, failed: summary.failed + errors.length }));
  }
}
