/** Whether rules of definitions fit the schema that they stand in, before an object meets them. */
import { showFaults } from "../../flow/filters/cel-fault.ts";
import { type CelNames, type CelType, CelTypes } from "../../flow/filters/cel-type.ts";
import { costOf } from "./cel-cost.ts";
import { MOST_BYTES, shapeOf } from "./cel-shape.ts";
import { escaped, FUNCTIONS, parseRule } from "./cel-whole.ts";
import { mapValues, type SchemaNode } from "./node.ts";

/** What the checker knows by itself, with what each takes. */
const CHECKED = new Set(
  "size contains startsWith endsWith matches int uint double string bool bytes dyn type duration timestamp".split(" "),
);
const NAMES: CelNames = {
  messages: [],
  enums: [],
  proto: { package: "" },
  functions: new Set([...FUNCTIONS].filter((name) => !CHECKED.has(name))),
};
const SCALARS: Readonly<Record<string, string>> = { integer: "int", boolean: "bool", string: "string" };
/** Numbers of two kinds have an order. */
const ACROSS = /'_(?:<|>|<=|>=)_' applied to '\((?:int|uint|double), (?:int|uint|double)\)'$/;

/** What a rule sees of a value of the schema; undefined where only a value tells: fractions, times, what may be null. */
function typeOf(node: SchemaNode): CelType {
  if (node["x-kubernetes-int-or-string"] || node.nullable || node.type === undefined) return undefined;
  if (node.type === "array") return { kind: "list", of: typeOf(node.items ?? {}) };
  if (node.type !== "object")
    return node.format && node.format !== "int32" && node.format !== "int64" ? undefined : SCALARS[node.type];
  const values = mapValues(node);
  if (values) return { kind: "map", of: typeOf(values) };
  const known = Object.entries(node.properties ?? {}).map(([name, child]) => [escaped(name), typeOf(child)] as const);
  return { typeName: "object", known: Object.fromEntries(known) };
}

/** What a rule, or the expression of its message, costs at most for one value of the schema. Throws where it cannot be read. */
export function ruleCost(text: string, node: SchemaNode, isOptional: boolean, isRoot: boolean): number {
  const { expr } = parseRule(text, isOptional);
  const self = shapeOf(node, escaped, isRoot) ?? { kind: "dyn" };
  return expr ? costOf(expr, self, isOptional) : 0;
}

/** How often a value of the schema can be in an object, by the bytes that it takes at least. */
export const mostValues = (node: SchemaNode, isRoot: boolean): number =>
  Math.floor(MOST_BYTES / ((shapeOf(node, escaped, isRoot)?.least ?? 0) + 1));

/** What may be written beside a rule. */
interface Place {
  readonly wanted: "bool" | "string";
  /** Rules without an old value are asked too. */
  readonly isOptional: boolean;
}

/** What is wrong with a rule, or with the expression of its message, in Kubernetes' words; undefined when nothing is. Throws where it cannot be read. */
export function ruleFault(text: string, node: SchemaNode, { wanted, isOptional }: Place): string | undefined {
  const parsed = parseRule(text, isOptional);
  const self = typeOf(node);
  const types = new CelTypes(NAMES, { self, oldSelf: isOptional ? undefined : self });
  const type = types.of(parsed.expr);
  const faults = types.faults.filter(({ problem }) => !ACROSS.test(problem));
  const subject = wanted === "bool" ? "" : "messageExpression ";
  if (faults.length > 0) return `${subject}compilation failed: ${showFaults(faults, text, parsed)}`;
  if (type === undefined || type === wanted) return undefined;
  return wanted === "bool" ? "cel expression must evaluate to a bool" : "messageExpression must evaluate to a string";
}
