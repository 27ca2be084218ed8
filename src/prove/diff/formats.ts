import { pictureSvg } from "../graph.ts";
import { portText } from "../reach.ts";
import type { DiffGroup, PolicyDiff } from "./diff.ts";
import { PartyNames } from "./names.ts";
import { isUnknown, type PortChange } from "./port-changes.ts";

type Kind = PortChange["kind"];

/** Pairs of two parties, and how many of them change. */
export interface DiffCounts {
  readonly opened: number;
  readonly closed: number;
  /** May do the same, with other headers. */
  readonly edited: number;
  /** Those too of which some change is compared as it is written. */
  readonly unknown: number;
}

export function diffCounts({ groups }: PolicyDiff): DiffCounts {
  const count = (isCounted: (group: DiffGroup) => boolean) =>
    groups.filter(isCounted).reduce((sum, { from, to }) => sum + from.length * to.length, 0);
  const has = (kind: Kind) => count(({ changes }) => changes.some((change) => change.kind === kind));
  const unknown = count(({ changes, missing }) => missing !== undefined || changes.some(isUnknown));
  return { opened: has("opened"), closed: has("closed"), edited: has("edited"), unknown };
}

/** `TCP 80 (ingress: GET /a)`. */
export function changeText({ requests, authentication, ...ports }: PortChange): string {
  const more = [...(requests ?? []), ...(authentication === undefined ? [] : [authentication])];
  return more.length === 0 ? portText(ports) : `${portText(ports)} (${more.join("; ")})`;
}

interface Line {
  readonly kind: Kind | "unknown";
  readonly from: string;
  readonly to: string;
  readonly what: string;
}

function linesOf(diff: PolicyDiff): Line[] {
  const names = new PartyNames(diff);
  return diff.groups.flatMap(({ from, to, changes, missing }): Line[] => {
    const ends = { from: names.of(from, "source"), to: names.of(to, "destination") };
    if (missing !== undefined) return [{ kind: "unknown" as const, ...ends, what: `missing is ${missing}` }];
    return (["opened", "closed", "edited"] as const).flatMap((kind) => {
      const what = changes.filter((change) => change.kind === kind).map(changeText);
      return what.length === 0 ? [] : [{ kind, ...ends, what: what.join(", ") }];
    });
  });
}

/** A line for each change, `+ a -> b: TCP 80`. */
export function diffLines(diff: PolicyDiff): string[] {
  return linesOf(diff).map(({ kind, from, to, what }) => `${SIGNS[kind]} ${from} -> ${to}: ${what}`);
}

const SIGNS = { opened: "+", closed: "-", edited: "~", unknown: "?" } as const;
const KINDS = ["opened", "closed", "edited", "unknown"] as const;
const POLICY_SIGNS = { added: "+", removed: "-", changed: "~" } as const;

function summary(diff: PolicyDiff): string {
  const { opened, closed, edited, unknown } = diffCounts(diff);
  if (opened + closed + edited + unknown === 0) return "Nobody may do more or less than before.";
  const rare = Object.entries({ "with other headers": edited, unknown }).filter(([, count]) => count > 0);
  const parts = [`${opened} opened`, `${closed} closed`, ...rare.map(([what, count]) => `${count} ${what}`)];
  return `Connections: ${parts.join(", ")}.`;
}

/** What else one should know. */
function remarks({ onlyBefore, onlyAfter, moved, unasked }: PolicyDiff): string[] {
  const said = (names: readonly string[], what: string) => (names.length === 0 ? [] : [`${what}: ${names.join(", ")}`]);
  return [
    ...said(onlyBefore, "only before, and supposed to be there after too"),
    ...said(onlyAfter, "only after, and supposed to have been there before"),
    ...said(moved, "seen as another than before, by labels, ports or addresses"),
    ...said(unasked, "not tried"),
  ];
}

/** For people. */
export function diffText(diff: PolicyDiff): string {
  const policies = diff.policies.map(({ policy, change }) => `${POLICY_SIGNS[change]} ${policy}`);
  const lines = linesOf(diff);
  const blocks = KINDS.flatMap((kind) => {
    const own = lines.filter((line) => line.kind === kind);
    return own.length === 0
      ? []
      : [`${kind}:`, ...own.map(({ from, to, what }) => `  ${SIGNS[kind]} ${from} -> ${to}: ${what}`)];
  });
  return [...policies, ...blocks, ...remarks(diff), summary(diff)].map((line) => `${line}\n`).join("");
}

/** A comment for a pull request. */
export function diffMarkdown(diff: PolicyDiff): string {
  const code = (text: string) =>
    text
      .replaceAll("|", "\\|")
      .replaceAll("<", "&lt;")
      .replace(/([*_`])/g, "\\$1");
  const lines = linesOf(diff);
  const tables = KINDS.flatMap((kind) => {
    const own = lines.filter((line) => line.kind === kind);
    if (own.length === 0) return [];
    const rows = own.map(({ from, to, what }) => `| ${code(from)} | ${code(to)} | ${code(what)} |`);
    const head = kind === "unknown" ? "missing fact" : "ports and requests";
    return ["", `#### ${TITLES[kind]}`, "", `| from | to | ${head} |`, "|---|---|---|", ...rows];
  });
  const policies = diff.policies.map(({ policy, change }) => `- ${change}: ${code(policy)}`);
  const more = remarks(diff).map((text) => `- ${code(text)}`);
  const details = [...policies, ...more];
  const shown =
    details.length === 0
      ? []
      : ["", "<details><summary>Policies and remarks</summary>", "", ...details, "", "</details>"];
  return [`### Network policy: ${summary(diff)}`, ...tables, ...shown, ""].join("\n");
}

const TITLES = { opened: "🟢 Opened", closed: "🔴 Closed", edited: "🟡 Other headers", unknown: "❔ Unknown" } as const;

/** For programs: every name, and every change. */
export function diffJson(diff: PolicyDiff): string {
  const { policies, onlyBefore, onlyAfter, moved, unasked } = diff;
  const groups = diff.groups.map(({ from, to, changes, missing }) => ({
    from: from.map(({ title, kind }) => ({ name: title, kind })),
    to: to.map(({ title, kind }) => ({ name: title, kind })),
    ...(missing === undefined ? { changes } : { verdict: "unknown", missing }),
  }));
  const value = { connections: diffCounts(diff), policies, groups, onlyBefore, onlyAfter, moved, unasked };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

const COLOURS = { opened: "#2a8a3e", closed: "#c0392b", edited: "#2a5d8a", unknown: "#8a6d1d" } as const;

/** A picture: a box for each set of people, an arrow for each change. */
export function diffSvg(diff: PolicyDiff): string {
  const lines = linesOf(diff);
  const boxes = [...new Set(lines.flatMap(({ from, to }) => [from, to]))];
  const arrows = lines.map(({ kind, from, to, what }) => ({
    from: boxes.indexOf(from),
    to: boxes.indexOf(to),
    hint: `${kind}: ${from} -> ${to}: ${what}`,
    isDashed: kind !== "opened",
    colour: COLOURS[kind],
  }));
  return pictureSvg(
    boxes.map((text) => ({ text, hint: text })),
    arrows,
  );
}
