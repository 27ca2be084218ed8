import type { parse } from "@bufbuild/cel";
import type { CelFault } from "./cel-type.ts";

type Parsed = ReturnType<typeof parse>;

/** Where upstream's parser says that an expression is: at an operator, a dot, or the bracket that opens a call. */
function placeOf({ node }: CelFault, text: string, { sourceInfo }: Parsed): number {
  const start = sourceInfo?.positions[String(node?.id)] ?? 0;
  const { exprKind } = node ?? {};
  const next = (mark: string) => Math.max(text.indexOf(mark, start), start);
  if (exprKind === undefined) return next(":");
  if (exprKind.case === "structExpr") return next("{");
  if (exprKind.case === "selectExpr") return exprKind.value.testOnly ? next("(") : next(".");
  if (exprKind.case === "callExpr") {
    const { function: name } = exprKind.value;
    if (/^\w+$/.test(name)) return next("(");
    if (name === "_?_:_") return next("?");
    if (name === "_[_]") return next("[");
  }
  return start + /^\s*/.exec(text.slice(start))![0].length;
}

/** Faults as cel-go shows them: each with its place, its line and a mark under it, in the order of the text. */
export function showFaults(faults: readonly CelFault[], text: string, parsed: Parsed): string {
  const placed = faults.map((fault) => ({ problem: fault.problem, at: placeOf(fault, text, parsed) }));
  placed.sort((a, b) => a.at - b.at);
  return placed.map(({ problem, at }) => showFault(problem, text, at)).join("\n");
}

function showFault(problem: string, text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  const column = before.at(-1)!.length;
  const line = text.split("\n")[before.length - 1];
  return `ERROR: <input>:${before.length}:${column + 1}: ${problem}\n | ${line}\n | ${".".repeat(column)}^`;
}
