import { diffOf, type PolicyDiff } from "../diff/diff.ts";
import { diffLines } from "../diff/formats.ts";
import type { Inventory } from "../inventory.ts";
import type { ManifestText } from "../manifest.ts";
import { type Code, type Finding, severityOf } from "./finding.ts";
import { lint } from "./lint.ts";
import { withoutComment, withoutField, withoutItem, withPort, withRuleBefore } from "./mend-text.ts";

/** What was mended. */
export interface Mended {
  readonly finding: Finding;
  /** Who may do more or less by it; empty = nobody, which is proven. */
  readonly changes: readonly string[];
}

/** What was mended, what could have been and was not, and the texts as they are then; the others are as they were. */
export interface Fixed {
  readonly mended: readonly Mended[];
  readonly left: readonly { readonly finding: Finding; readonly why: string }[];
  readonly texts: readonly ManifestText[];
}

interface Mend {
  readonly change: (lines: readonly string[], at: number, finding: Finding) => string[];
  /** Whether a comparison of both sets shows what is wanted. */
  readonly isWanted: (diff: PolicyDiff) => boolean;
}

const isNothing = ({ groups }: PolicyDiff) => groups.length === 0;

/** Sends the questions of those whom the rule is for to the cluster's DNS, through the proxy that learns from the answers. */
const DNS_RULE = [
  "- toEndpoints:",
  "    - matchLabels:",
  "        k8s:io.kubernetes.pod.namespace: kube-system",
  "        k8s-app: kube-dns",
  "  toPorts:",
  '    - ports: [{port: "53", protocol: UDP}, {port: "53", protocol: TCP}]',
  '      rules: {dns: [{matchPattern: "*"}]}',
];

/** The others need to know what somebody means. */
const MENDS: Partial<Record<Code, Mend>> = {
  SG003: { change: withoutItem, isWanted: isNothing },
  SG004: { change: withoutItem, isWanted: isNothing },
  SG006: { change: withoutField, isWanted: isNothing },
  SG007: {
    change: (lines, at) => withRuleBefore(lines, at, "egress", DNS_RULE),
    isWanted: ({ groups }) =>
      groups.every(
        ({ missing, changes }) =>
          missing === undefined &&
          changes.every((change) => change.kind === "opened" && change.first === 53 && change.last === 53),
      ),
  },
  SG011: {
    change: (lines, at, { ports }) => (ports === undefined ? [...lines] : withPort(lines, at, ports.from, ports.to)),
    isWanted: () => true,
  },
  SG017: { change: withoutField, isWanted: isNothing },
  SG021: { change: withoutComment, isWanted: isNothing },
};

/** Mends that are tried at most: each is proven by a comparison of its own. */
const MOST_TRIES = 100;

/**
 * Takes out rules that never match or never decide, fields that have no effect, and comments that suppress nothing: where nobody may do more or less
 * without them, as a comparison of both sets says; default deny counts, and pods that nobody described. Puts the pods' port in the place
 * of a service's, and a rule for DNS beside names that nobody would learn: there the comparison says what changes by it.
 * What is not changed stays as it is written, character by character.
 */
export function fix(texts: readonly ManifestText[], take: (texts: readonly ManifestText[]) => Inventory): Fixed {
  let now = [...texts];
  let inventory = take(now);
  const mended: Mended[] = [];
  const left = new Map<string, Fixed["left"][number]>();
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const { findings } = lint(inventory);
    // From the end, so that the lines of those that are left are still right.
    const finding = findings.findLast(
      (each) => MENDS[each.code] !== undefined && each.suppressedBecause === undefined && !left.has(keyOf(each)),
    );
    if (finding === undefined) break;
    const candidate = now.map((each) => (each.file === finding.file ? changed(each, finding) : each));
    const isChanged = candidate.some(({ text }, index) => text !== now[index]!.text);
    const after = isChanged ? take(candidate) : inventory;
    const diff = isChanged ? diffOf(inventory, after) : undefined;
    const why =
      diff === undefined
        ? "it is written in a way that is not changed here"
        : faultOf(finding, [inventory, after], diff);
    if (diff === undefined || why !== undefined) {
      left.set(keyOf(finding), { finding, why: why! });
      continue;
    }
    mended.push({ finding, changes: diffLines(diff) });
    [now, inventory] = [candidate, after];
  }
  return { mended, left: [...left.values()], texts: now.filter((each, index) => each.text !== texts[index]!.text) };
}

function keyOf({ code, file, line, message }: Finding): string {
  return JSON.stringify([code, file, line, message]);
}

/** What speaks against a mend; undefined = nothing. */
function faultOf(
  { code }: Finding,
  [before, after]: readonly [Inventory, Inventory],
  diff: PolicyDiff,
): string | undefined {
  if (after.problems.length > before.problems.length || after.policies.length !== before.policies.length)
    return "what is left could not be read";
  if (diff.unasked.length > 0) return "too many kinds of pods are told apart to prove what it changes";
  if (!MENDS[code]!.isWanted(diff)) return `it would change who may do what: ${diffLines(diff).join("; ")}`;
  const [errors, errorsAfter] = [before, after].map(
    (each) => lint(each).findings.filter((finding) => severityOf(finding) === "error").length,
  ) as [number, number];
  return errorsAfter > errors ? "something else would be wrong then" : undefined;
}

function changed(text: ManifestText, finding: Finding): ManifestText {
  const lines = text.text.split("\n");
  return { file: text.file, text: MENDS[finding.code]!.change(lines, finding.line - 1, finding).join("\n") };
}
