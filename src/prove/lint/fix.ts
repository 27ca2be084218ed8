import { diffOf } from "../diff/diff.ts";
import type { Inventory } from "../inventory.ts";
import type { ManifestText } from "../manifest.ts";
import type { Code, Finding } from "./finding.ts";
import { lint } from "./lint.ts";

/** What was mended, and the texts as they are then; the others are as they were. */
export interface Fixed {
  readonly findings: readonly Finding[];
  readonly texts: readonly ManifestText[];
}

/** What can be mended by taking it out. */
const FIXABLE: ReadonlySet<Code> = new Set(["SG003", "SG004", "SG021"]);
/** Mends that are tried at most: each is proven by a comparison of its own. */
const MOST_TRIES = 100;

/**
 * Takes out rules that never match, rules that never decide, and comments that suppress nothing. A rule goes only where nobody
 * may do more or less without it, as a comparison of both sets says: default deny counts, and pods that nobody described.
 * What is not taken out stays as it is written, character by character.
 */
export function fix(texts: readonly ManifestText[], take: (texts: readonly ManifestText[]) => Inventory): Fixed {
  let now = [...texts];
  let inventory = take(now);
  const findings: Finding[] = [];
  const refused = new Set<string>();
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    // From the end, so that the lines of those that are left are still right.
    const finding = lint(inventory).findings.findLast(
      (each) => FIXABLE.has(each.code) && each.suppressedBecause === undefined && !refused.has(keyOf(each)),
    );
    if (finding === undefined) break;
    const candidate = now.map((each) => (each.file === finding.file ? without(each, finding) : each));
    const isChanged = candidate.some(({ text }, index) => text !== now[index]!.text);
    const after = isChanged ? take(candidate) : inventory;
    if (!isChanged || !isSame(inventory, after)) {
      refused.add(keyOf(finding));
      continue;
    }
    findings.push(finding);
    [now, inventory] = [candidate, after];
  }
  return { findings, texts: now.filter((each, index) => each.text !== texts[index]!.text) };
}

function keyOf({ code, file, line, message }: Finding): string {
  return JSON.stringify([code, file, line, message]);
}

function isSame(before: Inventory, after: Inventory): boolean {
  if (after.problems.length > before.problems.length || after.policies.length !== before.policies.length) return false;
  const { groups, unasked } = diffOf(before, after);
  return groups.length === 0 && unasked.length === 0;
}

function without(text: ManifestText, { code, line }: Finding): ManifestText {
  const lines = text.text.split("\n");
  const at = line - 1;
  const kept = code === "SG021" ? withoutComment(lines, at) : withoutItem(lines, at);
  return { file: text.file, text: kept.join("\n") };
}

/** A comment alone on its line takes the line with it. */
function withoutComment(lines: readonly string[], at: number): string[] {
  const written = lines[at]!;
  const rest = written.replace(/\s*#\s*shieldgate:ignore\b.*$/, "");
  return lines.toSpliced(at, 1, ...(rest === "" || rest === written ? [] : [rest]));
}

/** An item of a list in blocks that has others beside it, with the comments right above it; others are left alone. */
function withoutItem(lines: readonly string[], at: number): string[] {
  const indent = lines[at]!.search(/- /);
  if (indent === -1 || lines[at]!.slice(0, indent).trim() !== "") return [...lines];
  const depthOf = (line: string) => line.search(/[^ ]/);
  let end = at + 1;
  while (end < lines.length && (depthOf(lines[end]!) > indent || lines[end]!.trim() === "")) end++;
  // Blank lines and comments behind it belong to what follows.
  while (end > at + 1 && lines[end - 1]!.trim() === "") end--;
  let start = at;
  while (start > 0 && depthOf(lines[start - 1]!) === indent && lines[start - 1]![indent] === "#") start--;
  const isItem = (line: string | undefined) => line !== undefined && depthOf(line) === indent && line[indent] === "-";
  const isFollowed = isItem(lines.slice(end).find((line) => line.trim() !== "" && !line.trim().startsWith("#")));
  const isLed = lines.slice(0, start).some((line, index) => isItem(line) && sameList(lines, index, start, indent));
  return isFollowed || isLed ? lines.toSpliced(start, end - start) : [...lines];
}

/** Whether nothing between the two lines is less indented. */
function sameList(lines: readonly string[], from: number, to: number, indent: number): boolean {
  return lines.slice(from, to).every((line) => line.trim() === "" || line.search(/[^ ]/) >= indent);
}
