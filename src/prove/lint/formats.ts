import type { Problem } from "../manifest.ts";
import { workflowCommand } from "../workflow-command.ts";
import { CODES, type Code, type Finding, severityOf } from "./finding.ts";
import type { LintResult } from "./lint.ts";

/** What lint says of the input and of the policies in it. */
export interface Report extends LintResult {
  readonly problems: readonly Problem[];
  /** Version of the program. */
  readonly version: string;
}

const PAGES = "docs/lint";

/** Findings of the input too, and without those that somebody wants so. */
function allOf({ findings, problems }: Report): Finding[] {
  const ofInput = problems
    .filter(({ severity }) => severity === "error")
    .map(
      ({ file, line, message }): Finding => ({
        code: "SG000",
        file,
        line,
        object: "",
        message,
        mend: "mend it, or leave the file out with --skip",
      }),
    );
  return [...ofInput, ...findings];
}

function isOpen({ suppressedBecause }: Finding): boolean {
  return suppressedBecause === undefined;
}

function sentence({ object, message, mend }: Finding): string {
  return `${object === "" ? "" : `${object}: `}${message} (${mend})`;
}

export interface Counts {
  readonly errors: number;
  readonly warnings: number;
  readonly suppressed: number;
}

export function countsOf(report: Report): Counts {
  const all = allOf(report);
  const open = all.filter(isOpen);
  const errors = open.filter((each) => severityOf(each) === "error").length;
  return { errors, warnings: open.length - errors, suppressed: all.length - open.length };
}

/** `file:line: error SG006: message (mend)`, and a last line with the numbers. */
export function lintText(report: Report): string {
  const lines = allOf(report)
    .filter(isOpen)
    .map((each) => `${each.file}:${each.line}: ${severityOf(each)} ${each.code}: ${sentence(each)}`);
  const inputs = report.problems
    .filter(({ severity }) => severity === "warning")
    .map(({ file, line, message }) => `${file}:${line}: note: ${message}`);
  const { errors, warnings, suppressed } = countsOf(report);
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  const whose = `${report.policies === 1 ? "1 policy" : `${report.policies} policies`}, ${count(report.workloads, "workload")}`;
  const last = `${whose}: ${count(errors, "error")}, ${count(warnings, "warning")}, ${suppressed} suppressed`;
  return [...inputs, ...lines, ...report.notes, last].map((line) => `${line}\n`).join("");
}

export function lintJson(report: Report): string {
  const findings = allOf(report).map(({ code, ...rest }) => ({
    code,
    severity: severityOf({ code }),
    ...rest,
    page: `${PAGES}/${code}.md`,
  }));
  return `${JSON.stringify({ policies: report.policies, workloads: report.workloads, findings, notes: report.notes, counts: countsOf(report) }, undefined, 2)}\n`;
}

/** Commands of a workflow, which show findings beside the changed lines. */
export function lintGithub(report: Report): string {
  const commands = allOf(report)
    .filter(isOpen)
    .map((each) => {
      const title = `${each.code} ${CODES[each.code][1]}`;
      const { file, line } = each;
      return workflowCommand({ severity: severityOf(each), file, line, title, message: sentence(each) });
    });
  return commands.join("");
}

/** SARIF 2.1.0; suppressed findings stand in it with their reasons. */
export function lintSarif(report: Report): string {
  const rules = (Object.keys(CODES) as Code[]).map((id) => ({
    id,
    shortDescription: { text: CODES[id][1] },
    help: { text: `see ${PAGES}/${id}.md` },
    defaultConfiguration: { level: CODES[id][0] },
  }));
  const results = allOf(report).map((each) => ({
    ruleId: each.code,
    ruleIndex: rules.findIndex(({ id }) => id === each.code),
    level: severityOf(each),
    message: { text: sentence(each) },
    locations: [
      { physicalLocation: { artifactLocation: { uri: encodeURI(each.file) }, region: { startLine: each.line } } },
    ],
    ...(each.suppressedBecause === undefined
      ? {}
      : { suppressions: [{ kind: "inSource", justification: each.suppressedBecause }] }),
  }));
  const driver = { name: "shieldgate", version: report.version, rules };
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{ tool: { driver }, results }],
  };
  return `${JSON.stringify(log, undefined, 2)}\n`;
}
