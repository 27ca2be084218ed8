/** Changes of the lines of a file: what is not changed stays as it is written, character by character. `at` counts from 0. */

const depthOf = (line: string) => line.search(/[^ ]/);
const isBlank = (line: string) => line.trim() === "";

/** A comment `shieldgate:ignore`; one alone on its line takes the line with it. */
export function withoutComment(lines: readonly string[], at: number): string[] {
  const written = lines[at]!;
  const rest = written.replace(/\s*#\s*shieldgate:ignore\b.*$/, "");
  return lines.toSpliced(at, 1, ...(rest === "" || rest === written ? [] : [rest]));
}

/** The line behind the last one of what begins at a line and is indented deeper than `indent`; blank lines behind it are not its own. */
function endOf(lines: readonly string[], at: number, indent: number): number {
  let end = at + 1;
  while (end < lines.length && (depthOf(lines[end]!) > indent || isBlank(lines[end]!))) end++;
  while (end > at + 1 && isBlank(lines[end - 1]!)) end--;
  return end;
}

/** An item of a list in blocks that has others beside it, with the comments right above it; others are left alone. */
export function withoutItem(lines: readonly string[], at: number): string[] {
  const indent = lines[at]!.search(/- /);
  if (indent === -1 || lines[at]!.slice(0, indent).trim() !== "") return [...lines];
  const end = endOf(lines, at, indent);
  let start = at;
  while (start > 0 && depthOf(lines[start - 1]!) === indent && lines[start - 1]![indent] === "#") start--;
  const isItem = (line: string | undefined) => line !== undefined && depthOf(line) === indent && line[indent] === "-";
  const isFollowed = isItem(lines.slice(end).find((line) => !isBlank(line) && !line.trim().startsWith("#")));
  const isLed = lines.slice(0, start).some((line, index) => isItem(line) && isSameList(lines, index, start, indent));
  return isFollowed || isLed ? lines.toSpliced(start, end - start) : [...lines];
}

/** Whether nothing between the two lines is less indented. */
function isSameList(lines: readonly string[], from: number, to: number, indent: number): boolean {
  return lines.slice(from, to).every((line) => isBlank(line) || depthOf(line) >= indent);
}

const FIELD = /^( *)(- +)?("[^"]*"|'[^']*'|[\w./:-]+):(?: |$)/;

/** A field in a block, with what is below it; the mark of an item goes to the next field. Others are left alone. */
export function withoutField(lines: readonly string[], at: number): string[] {
  const [, before, mark = ""] = FIELD.exec(lines[at]!) ?? [];
  if (before === undefined) return [...lines];
  const indent = before.length + mark.length;
  const end = endOf(lines, at, indent);
  if (mark === "") return lines.toSpliced(at, end - at);
  const next = lines[end];
  if (next === undefined || depthOf(next) !== indent || !FIELD.test(next)) return [...lines];
  return lines.toSpliced(at, end - at + 1, before + mark + next.slice(indent));
}

/** The one `port: FROM` of the field that begins at a line, quotes as they are; where there are several, all is left alone. */
export function withPort(lines: readonly string[], at: number, from: number, to: number | string): string[] {
  const written = FIELD.exec(lines[at]!);
  const indent = written === null ? 0 : written[1]!.length + (written[2] ?? "").length;
  // Lists may stand as deep as the field that they belong to.
  let end = endOf(lines, at, indent);
  while (end < lines.length && depthOf(lines[end]!) === indent && lines[end]![indent] === "-")
    end = endOf(lines, end, indent);
  const port = new RegExp(`(\\bport["']?: *)(["']?)${from}\\2(?=[ ,}]|$)`, "g");
  const own = lines.slice(at, end);
  if (own.join("\n").match(port)?.length !== 1) return [...lines];
  return lines.toSpliced(at, end - at, ...own.map((line) => line.replace(port, `$1$2${to}$2`)));
}

/** A rule before the one in a block that the field at a line belongs to, in the same list `egress`; where it is written otherwise all is left alone. */
export function withRuleBefore(lines: readonly string[], at: number, list: string, rule: readonly string[]): string[] {
  const field = FIELD.exec(lines[at]!);
  if (field === null) return [...lines];
  const indent = field[1]!.length + (field[2] ?? "").length;
  const isStart = (line: string) => {
    const [, before = "", mark] = FIELD.exec(line) ?? [];
    return mark !== undefined && before.length + mark.length === indent;
  };
  let item = at;
  while (item >= 0 && !isStart(lines[item]!)) item--;
  if (item < 0 || !isSameList(lines, item + 1, at, indent)) return [...lines];
  const mark = depthOf(lines[item]!);
  let head = item - 1;
  while (head >= 0 && (isBlank(lines[head]!) || depthOf(lines[head]!) > mark || /^ *[-#]/.test(lines[head]!))) head--;
  if (head < 0 || !new RegExp(`^ *(?:- +)?${list}: *(?:#.*)?$`).test(lines[head]!)) return [...lines];
  let start = item;
  while (start > 0 && depthOf(lines[start - 1]!) === mark && lines[start - 1]![mark] === "#") start--;
  return lines.toSpliced(start, 0, ...rule.map((line) => " ".repeat(mark) + line));
}
