import type { RuleCoverage, TestResult } from "./run-tests.ts";
import { workflowCommand } from "./workflow-command.ts";

/** Rules without a test that are written out. */
const MOST_UNTESTED = 20;

export interface TestReport {
  readonly results: readonly TestResult[];
  readonly coverage: readonly RuleCoverage[];
}

export function testCounts({ results }: TestReport): Readonly<Record<TestResult["outcome"], number>> {
  const count = (outcome: TestResult["outcome"]) => results.filter((each) => each.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), error: count("error") };
}

function indented(text: string, by: string): string {
  return text
    .split("\n")
    .map((line) => `${by}${line}`)
    .join("\n");
}

/** Empty where some of the tests were run alone. */
function coverageText({ coverage }: TestReport): string {
  if (coverage.length === 0) return "";
  return `${coverage.filter(({ isCovered }) => isCovered).length} of ${coverage.length} rules decided a tested connection\n`;
}

/** What failed, rules that no test met, and a last line with the numbers. */
export function testText(report: TestReport): string {
  const failures = report.results
    .filter(({ outcome }) => outcome !== "passed")
    .map(
      ({ test, outcome, details }) =>
        `${outcome === "failed" ? "FAIL" : "ERROR"} ${test.name}  ${test.file}:${test.line}\n${indented(details, "    ")}\n`,
    );
  const untested = report.coverage.filter(({ isCovered }) => !isCovered);
  const rest = untested.length - MOST_UNTESTED;
  const uncovered = [
    ...untested.slice(0, MOST_UNTESTED).map(({ rule, file, line }) => `not tested: ${rule}  ${file}:${line}\n`),
    ...(rest > 0 ? [`… and ${rest} more (-o json has all)\n`] : []),
  ];
  const { passed, failed, error } = testCounts(report);
  return `${[...failures, ...uncovered].join("")}${coverageText(report)}${passed} passed, ${failed} failed, ${error} errors\n`;
}

export function testJson(report: TestReport): string {
  const results = report.results.map(({ test, outcome, details }) => ({
    name: test.name,
    file: test.file,
    line: test.line,
    outcome,
    ...(details === "" ? {} : { details }),
  }));
  return `${JSON.stringify({ results, coverage: report.coverage, counts: testCounts(report) }, undefined, 2)}\n`;
}

/** TAP 13; a failure has its details as YAML. */
export function testTap({ results }: TestReport): string {
  const lines = results.map(({ test, outcome, details }, index) => {
    const head = `${outcome === "passed" ? "ok" : "not ok"} ${index + 1} - ${test.name.replaceAll("#", "\\#")}`;
    return outcome === "passed"
      ? head
      : `${head}\n  ---\n  at: ${JSON.stringify(`${test.file}:${test.line}`)}\n  details: |\n${indented(details, "    ")}\n  ...`;
  });
  return ["TAP version 13", `1..${results.length}`, ...lines, ""].join("\n");
}

/** JUnit's XML, a suite for each file. */
export function testJunit({ results }: TestReport): string {
  // Characters that XML cannot hold, not even escaped, become spaces.
  const xml = (text: string) =>
    text
      .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/g, " ")
      .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  const suites = [...Map.groupBy(results, ({ test }) => test.file)].map(([file, own]) => {
    const cases = own.map(({ test, outcome, details }) => {
      const head = `    <testcase classname="${xml(file)}" name="${xml(test.name)}" file="${xml(file)}" line="${test.line}"`;
      const word = outcome === "failed" ? "failure" : "error";
      return outcome === "passed"
        ? `${head}/>`
        : `${head}><${word} message="${xml(details.split("\n")[0]!)}">${xml(details)}</${word}></testcase>`;
    });
    const count = (outcome: TestResult["outcome"]) => own.filter((each) => each.outcome === outcome).length;
    const head = `  <testsuite name="${xml(file)}" tests="${own.length}" failures="${count("failed")}" errors="${count("error")}">`;
    return [head, ...cases, "  </testsuite>"].join("\n");
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("\n")}\n</testsuites>\n`;
}

/** Commands of a workflow. */
export function testGithub(report: TestReport): string {
  const commands = report.results
    .filter(({ outcome }) => outcome !== "passed")
    .map(({ test: { file, line, name }, details }) =>
      workflowCommand({ severity: "error", file, line, title: name, message: details }),
    );
  return commands.join("");
}
