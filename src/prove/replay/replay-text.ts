import { protocolName } from "../../model/protocol.ts";
import type { LocatedRule } from "../cluster.ts";
import { type Coverage, durationText } from "./coverage.ts";
import { CHANGES, type Change, type Replay, type ReplayedFlow } from "./replay.ts";

/** A replay with what is to be said of its recording. */
export interface ReplayReport extends Replay {
  readonly coverage: Coverage;
}

export interface ReplayTextOptions {
  /** Whether flows that do not change are listed too. */
  readonly all?: boolean;
}

/** `2026-11-27T10:00:01Z`; empty = not known. */
export function instantText(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return "";
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `:6379/tcp`, ` ICMP 8`. */
export function flowPlace({ protocol, port }: Pick<ReplayedFlow["conversation"], "protocol" | "port">): string {
  const name = protocolName(protocol);
  return name.startsWith("ICMP") ? ` ${name} ${port}` : `:${port}/${name.toLowerCase()}`;
}

/** `shop/deployment/cart -> shop/deployment/store:6379/tcp GET /x`. */
export function flowTitle({ from, to, protocol, port, request }: ReplayedFlow["conversation"]): string {
  const asked = request === undefined ? "" : `  ${request.title}`;
  return `${from.title} -> ${to.title}${flowPlace({ protocol, port })}${asked}`;
}

/** `once`, `3 times`. */
export function timesText(count: number): string {
  return count === 1 ? "once" : count === 0 ? "begin not seen" : `${count} times`;
}

/** How many distinct flows each change has. */
export function countsOf(flows: readonly ReplayedFlow[]): Readonly<Record<Change, number>> {
  const counts = { opened: 0, closed: 0, unknown: 0, unchanged: 0 };
  for (const { change } of flows) counts[change]++;
  return counts;
}

/** The report for a person. */
export function replayText(report: ReplayReport, { all = false }: ReplayTextOptions = {}): string {
  const { flows, rules, disagreements } = report;
  const lines: string[] = [];
  const counts = countsOf(flows);
  for (const change of CHANGES) {
    if (counts[change] === 0 || (change === "unchanged" && !all)) continue;
    lines.push(`${change.toUpperCase()} ${counts[change]}`);
    for (const flow of flows) if (flow.change === change) lines.push(...flowLines(flow));
    lines.push("");
  }
  const unused = rules.filter(({ isUsed }) => !isUsed);
  if (unused.length > 0)
    lines.push(
      `RULES THAT NO FLOW USED ${unused.length} of ${rules.length}`,
      ...unused.map(({ rule }) => ruleLine(rule)),
      "",
    );
  if (disagreements > 0)
    lines.push(`${disagreements} flows were not recorded as the set before judges them: it was not what was in force`);
  lines.push(...coverageLines(report.coverage), summaryLine(report));
  return lines.map((line) => `${plainText(line)}\n`).join("");
}

/** What was recorded comes from whoever sent it: nothing of it may steer a terminal. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");
}

/** A flow of a rehearsal when it is first known what becomes of it. */
export function newsText(flow: ReplayedFlow): string {
  const [title = "", ...rest] = flowLines(flow);
  return [`${flow.change.toUpperCase()} ${title.trim()}`, ...rest].map((line) => `${plainText(line)}\n`).join("");
}

/** The same as a line of JSON. */
export function newsJson(flow: ReplayedFlow): string {
  return `${JSON.stringify(jsonOf(flow))}\n`;
}

function flowLines(flow: ReplayedFlow): string[] {
  const { conversation, count, now, after, change, missing, notes, rules } = flow;
  const { firstMs, lastMs, evidence } = conversation;
  const [first, last] = [instantText(firstMs), instantText(lastMs)];
  const span = first === "" ? "" : first === last ? `, ${first}` : `, ${first} to ${last}`;
  const verdicts = change === "unchanged" ? now : `now ${now}, then ${after}`;
  return [
    `  ${flowTitle(conversation)}`,
    `    ${verdicts}; ${timesText(count)}${span}; ${evidence.source}:${evidence.line}`,
    ...(missing === undefined ? [] : [`    missing is ${missing}`]),
    ...notes.map((note) => `    ${note}`),
    ...(change === "unchanged" ? [] : rules.filter(({ policy }) => policy !== "").map(ruleLine)),
  ];
}

function ruleLine({ policy, path, file, line }: LocatedRule): string {
  return `      ${[policy, path, ...(file === undefined ? [] : [`${file}:${line}`])].filter((part) => part !== "").join("  ")}`;
}

function coverageLines({
  firstMs,
  lastMs,
  nodes,
  flows,
  answers,
  aside,
  httpRequests,
  dnsRequests,
  tlsNames,
  gaps,
  trust,
}: Coverage): string[] {
  const span =
    firstMs === undefined || lastMs === undefined
      ? "no times"
      : `${durationText(lastMs - firstMs)} (${instantText(firstMs)} to ${instantText(lastMs)})`;
  const asideCount = aside.reduce((sum, [, count]) => sum + count, 0);
  return [
    `RECORDING ${span}${nodes.length > 0 ? `, ${nodes.length} nodes` : ""}: ${flows} flows and ${answers} answers; layer 7: ${httpRequests} distinct HTTP requests, ${dnsRequests} DNS names${tlsNames > 0 ? `, ${tlsNames} TLS names` : ""}`,
    ...(asideCount > 0
      ? [
          `  ${asideCount} ${asideCount === 1 ? "record says" : "records say"} nothing of policy: ${aside.map(([why, count]) => `${count} ${why}`).join("; ")}`,
        ]
      : []),
    ...gaps.map((gap) => `  ${trust === "none" ? "" : "but "}${gap}`),
  ];
}

function summaryLine({ flows }: ReplayReport): string {
  const counts = countsOf(flows);
  return `${flows.length} distinct flows: ${CHANGES.map((change) => `${counts[change]} ${change}`).join(", ")}`;
}

/** The report for a pull request's comment. */
export function replayMarkdown(report: ReplayReport): string {
  const counts = countsOf(report.flows);
  const cell = (text: string) => plainText(text).replace(/[|<&`[\]*_@#]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const tables = CHANGES.filter((change) => change !== "unchanged" && counts[change] > 0).flatMap((change) => [
    `### ${change} (${counts[change]})`,
    "",
    "| flow | now | then | count | last seen | why |",
    "| --- | --- | --- | ---: | --- | --- |",
    ...report.flows
      .filter((flow) => flow.change === change)
      .map(({ conversation, now, after, count, missing, rules }) => {
        const written = rules.filter(({ policy }) => policy !== "").map(({ policy, path }) => `${policy} ${path}`);
        const why = missing ?? written.join(", ");
        return `| ${cell(flowTitle(conversation))} | ${now} | ${after} | ${count} | ${instantText(conversation.lastMs)} | ${cell(why)} |`;
      }),
    "",
  ]);
  const said = coverageLines(report.coverage).map((line) => `- ${cell(line.trim())}`);
  return [`## Recorded flows under the candidate policies`, "", summaryLine(report), "", ...tables, ...said, ""].join(
    "\n",
  );
}

/** The whole report, as JSON. */
export function replayJson(report: ReplayReport): string {
  const { flows, rules, disagreements, coverage } = report;
  const shown = {
    counts: countsOf(flows),
    flows: flows.map(jsonOf),
    unusedRules: rules.filter(({ isUsed }) => !isUsed).map(({ rule }) => rule),
    disagreements,
    recording: {
      ...coverage,
      firstMs: undefined,
      lastMs: undefined,
      first: instantText(coverage.firstMs),
      last: instantText(coverage.lastMs),
      aside: Object.fromEntries(coverage.aside),
    },
  };
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}

function jsonOf({ conversation, count, change, now, after, missing, notes, rules, rulesBefore }: ReplayedFlow): object {
  const { from, to, protocol, port, request, evidence, lastSource, lastLine, firstMs, lastMs, places, packets } =
    conversation;
  const end = ({ title, address, names, labels }: typeof from) => ({
    title,
    labels,
    address,
    ...(names.length > 0 && { names }),
  });
  return {
    change,
    now,
    after,
    ...(missing !== undefined && { missing }),
    from: end(from),
    to: end(to),
    protocol: protocolName(protocol),
    port,
    ...(request !== undefined && { request: request.title }),
    count,
    firstSeen: instantText(firstMs),
    lastSeen: instantText(lastMs),
    evidence: [...new Set([`${evidence.source}:${evidence.line}`, `${lastSource}:${lastLine}`])],
    seen: {
      ...Object.fromEntries([...places].map(([place, seen]) => [place, seen.count])),
      ...(packets > 0 && { "packets of connections": packets }),
    },
    ...(notes.length > 0 && { notes }),
    rules,
    ...(rulesBefore.length > 0 && { rulesBefore }),
  };
}
