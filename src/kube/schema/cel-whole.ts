/** The whole Common Expression Language, for rules beyond what `cel.ts` reads by itself. */
import { type CelInput, CelScalar, celEnv, celFunc, isCelError, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { isFields } from "../object.ts";
import type { Rule } from "./cel.ts";
import { KUBERNETES_FUNCTIONS } from "./cel-functions.ts";
import { optional } from "./cel-libraries.ts";
import { withoutSugar } from "./cel-sugar.ts";
import { OVER_LIMIT, turns } from "./cel-turns.ts";
import { mapValues, type SchemaNode } from "./node.ts";

/** Kubernetes' limit of one evaluation is as many units of cost, of which a turn takes at least one. */
const MOST_TURNS_OF_CALL = 1_000_000;

/** Each turn of a loop passes here. */
const turn = celFunc("__turn", [CelScalar.DYN], CelScalar.DYN, (value) => {
  if (turns.ofCall-- <= 0 || turns.ofObject-- <= 0) throw new Error(OVER_LIMIT);
  return value as never;
});

const environment = celEnv({ funcs: [...strings, ...KUBERNETES_FUNCTIONS, turn] });

/** Functions of the language and of its strings; operators have names with a mark. */
export const FUNCTIONS = new Set([
  ...KUBERNETES_FUNCTIONS.map(({ name }) => name),
  ...`size contains startsWith endsWith matches int uint double string bool bytes dyn type duration timestamp getFullYear getMonth
  getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds getMilliseconds charAt indexOf lastIndexOf
  lowerAscii upperAscii replace split substring trim join format`.split(/\s+/),
]);

/** What an expression calls and names, wherever in it. */
function namesIn(expression: unknown): { readonly called: Set<string>; readonly read: Set<string> } {
  const [called, read] = [new Set<string>(), new Set<string>()];
  const walk = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return;
    const { case: kind, value } = part as { case?: string; value?: { function?: string; name?: string } };
    if (kind === "callExpr" && value?.function) called.add(value.function);
    if (kind === "identExpr" && value?.name) read.add(value.name);
    for (const child of Object.values(part)) walk(child);
  };
  walk(expression);
  return { called, read };
}

/** Makes the turns of all loops count. */
function countTurns(part: unknown): void {
  if (typeof part !== "object" || part === null) return;
  const { case: kind, value } = part as { case?: string; value?: { loopStep?: object } };
  for (const child of Object.values(part)) countTurns(child);
  if (kind !== "comprehensionExpr" || value?.loopStep === undefined) return;
  const call = { $typeName: "cel.expr.Expr.Call", function: "__turn", args: [value.loopStep] };
  value.loopStep = { $typeName: "cel.expr.Expr", id: 0n, exprKind: { case: "callExpr", value: call } };
}

const OLD_VALUE = new Set(["oldSelf"]);
const NOTHING = new Set<string>();

/** A rule as the parser reads it; `isOptional` when its old value is an optional one. Throws an Error that names what is not there. */
export function parseRule(rule: string, isOptional: boolean): ReturnType<typeof parse> {
  return parse(withoutSugar(rule, isOptional ? OLD_VALUE : NOTHING));
}

const RESERVED = new Set(
  `true false null in as break const continue else for function if import let loop package namespace return var void while`.split(
    " ",
  ),
);

/** A field's name as rules write it. */
export function escaped(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/** A value as the language has it, by its schema: whole numbers are no fractions, dates are times. */
function valueFor(node: SchemaNode, value: unknown): CelInput {
  if (typeof value === "number") return node.type !== "number" && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value === "string")
    return node.format === "date-time" ? timestampFromDate(new Date(value)) : (value as CelInput);
  if (Array.isArray(value)) return value.map((item) => valueFor(node.items ?? {}, item)) as CelInput;
  if (!isFields(value)) return value as CelInput;
  const { properties = {} } = node;
  const values = mapValues(node) ?? {};
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
      return [own ? escaped(key) : key, valueFor(own ?? values, item)];
    }),
  ) as CelInput;
}

/** Reads a rule. Throws an Error that names what the language does not have, or this server does not evaluate. */
export function compileWhole(rule: string, isOptional = false): Rule {
  const parsed = parseRule(rule, isOptional);
  const { called, read } = namesIn(parsed.expr);
  const unknown = [...called].find((name) => /^\w+$/.test(name) && !/^_|_$/.test(name) && !FUNCTIONS.has(name));
  if (unknown !== undefined)
    throw new Error(`the rule \`${rule}\` calls \`${unknown}\`, which this server does not have`);
  countTurns(parsed.expr);
  const evaluate = plan(environment, parsed);
  const usesOld = read.has("oldSelf");
  return (node, self, old) => {
    // a rule about changes is not asked where there was nothing before, unless it asks whether there was
    if (usesOld && old === undefined && !isOptional) return true;
    const before = isOptional ? optional(old === undefined ? undefined : valueFor(node, old)) : valueFor(node, old);
    turns.ofCall = MOST_TURNS_OF_CALL;
    const answer = evaluate({ self: valueFor(node, self), ...(usesOld ? { oldSelf: before } : {}) });
    if (isCelError(answer)) return answer.message.replace(/^field not found/, "no such key");
    return answer === true || (typeof answer === "string" ? answer : false);
  };
}
