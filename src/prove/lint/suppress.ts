import { policyName } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
import type { ManifestObject, Place } from "../manifest.ts";
import { fieldAt } from "../workload.ts";
import type { Finding } from "./finding.ts";

/** An annotation of an object, for all findings about it: `SG010: why; SG005: why`. */
const ANNOTATION = "policy.shieldgate.io/ignore";
/** A comment, for findings on its own line or on the next line that is none: `# shieldgate:ignore SG010 why`. */
const COMMENT = /#\s*shieldgate:ignore\s+(SG\d{3})\b[:\s]*(.*)$/;

interface Suppression extends Place {
  readonly code: string;
  readonly reason: string;
  readonly covers: (finding: Finding) => boolean;
}

/** Marks the findings that somebody wants so, and finds fault with suppressions that say no reason or do nothing. */
export function suppressed(findings: readonly Finding[], inventory: Inventory): Finding[] {
  const all = [...inAnnotations(inventory), ...inComments(inventory)];
  const used = new Set<Suppression>();
  const marked = findings.map((finding) => {
    const covering = all.filter(({ code, covers }) => code === finding.code && covers(finding));
    for (const each of covering) used.add(each);
    const reason = covering.find((each) => each.reason !== "")?.reason;
    return reason === undefined ? finding : { ...finding, suppressedBecause: reason };
  });
  const faults = all.flatMap(({ code, reason, file, line, ...each }): Finding[] => {
    const base = { file, line, object: "" };
    if (reason === "")
      return [
        {
          ...base,
          code: "SG020",
          message: `${code} is to be ignored, and nobody says why`,
          mend: `write the reason behind ${code}`,
        },
      ];
    const isUsed = [...used].some((known) => known.covers === each.covers);
    return isUsed
      ? []
      : [{ ...base, code: "SG021", message: `there is no ${code} to be ignored here`, mend: "take it out" }];
  });
  return [...marked, ...faults];
}

function* objectsOf({ policies, workloads }: Inventory): Iterable<readonly [string, ManifestObject]> {
  for (const { key, object } of policies) yield [policyName(key), object];
  for (const { object } of workloads)
    yield [`${object.kind} ${object.namespace === "" ? "" : `${object.namespace}/`}${object.name}`, object];
}

function* inAnnotations(inventory: Inventory): Iterable<Suppression> {
  for (const [title, object] of objectsOf(inventory)) {
    const annotations = fieldAt(object.value, "metadata.annotations");
    const text =
      typeof annotations === "object" && annotations !== null
        ? (annotations as Record<string, unknown>)[ANNOTATION]
        : undefined;
    if (typeof text !== "string") continue;
    for (const part of text.split(/[;\n]/)) {
      const [, code, reason = ""] = /^\s*(SG\d{3})\b[:\s]*(.*?)\s*$/.exec(part) ?? [];
      if (code === undefined) continue;
      const place = object.placeOf(`metadata.annotations[${JSON.stringify(ANNOTATION)}]`);
      yield { code, reason, ...place, covers: (finding) => finding.object === title };
    }
  }
}

function* inComments(inventory: Inventory): Iterable<Suppression> {
  const texts = new Map([...objectsOf(inventory)].map(([, { place, text }]) => [place.file, text]));
  for (const [file, text] of texts) {
    if (!text.includes("shieldgate:ignore")) continue;
    const lines = text.split("\n");
    for (const [index, content] of lines.entries()) {
      const [, code, reason = ""] = COMMENT.exec(content) ?? [];
      if (code === undefined) continue;
      const next = lines.findIndex((each, at) => at > index && !/^\s*(#|$|---)/.test(each));
      const isAlone = /^\s*#/.test(content);
      const line = (isAlone ? next : index) + 1;
      yield {
        code,
        reason: reason.trim(),
        file,
        line: index + 1,
        covers: (finding) => finding.file === file && finding.line === line,
      };
    }
  }
}
