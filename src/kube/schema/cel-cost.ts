/**
 * What an expression costs at most, before it meets a value: Kubernetes refuses rules that may cost too much. The units are those of
 * cel-go's and Kubernetes' estimators (checker/cost.go, apiserver's pkg/cel/library/cost.go). Sizes that nobody knows are infinite.
 */
import type { Expression } from "../../flow/filters/cel-type.ts";
import type { Shape } from "./cel-shape.ts";

interface Estimate {
  readonly cost: number;
  readonly shape: Shape;
}
type Scope = ReadonlyMap<string, Shape>;
type Loop = Extract<Expression["exprKind"], { case: "comprehensionExpr" }>["value"];
type Call = Extract<Expression["exprKind"], { case: "callExpr" }>["value"];

const SCALAR_KINDS = new Set(["bool", "int", "uint", "double", "duration", "timestamp"]);
/** Where the scope has what `self` is. */
const ROOT = "";
const KEY: Shape = { kind: "string", most: 0 };
const UNKNOWN: Shape = { kind: "dyn" };
const LIST_COST = 10;
const MAP_COST = 30;
const REGEX = 0.25;
/** Length of a named format's pattern. */
const FORMAT_LENGTH = 128;
/** A comparison of two addresses: 16 bytes each. */
const ADDRESSES = 4;

const scalar = (kind: string): Shape => ({ kind, most: 1 });
const text = (most?: number): Shape => ({ kind: "string", ...(most === undefined ? {} : { most }) });
/** A scalar that was computed has the length one. */
const sizeOf = ({ kind, most, of }: Shape): number =>
  most ?? (SCALAR_KINDS.has(kind) || (kind === "optional" && of && SCALAR_KINDS.has(of.kind)) ? 1 : Infinity);
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
/** Of going through a text, or a part of it so often. */
const walk = (size: number, factor = 0.1): number => Math.ceil(Number((size * factor).toPrecision(15)));
const matching = (size: number, pattern: number): number => times(walk(size + 1), walk(pattern, REGEX));
const either = (a: Shape, b: Shape): Shape => ({ ...(a.kind === "dyn" ? b : a), most: Math.max(sizeOf(a), sizeOf(b)) });
/** A value that no path leads to any more: what the schema says of its own length is not known. */
const loose = (shape: Shape): Shape => {
  const { most: _, path: __, ...rest } = shape;
  return rest;
};

/** What the schema says of the length of a value at a path. The first step is not looked at, whatever it is: it should be `self`. */
function lengthAt(path: readonly string[], scope: Scope): number | undefined {
  let shape = scope.get(ROOT);
  for (const step of path.slice(1)) {
    if (step === "@items" || step === "@values") shape = shape?.of;
    else if (step === "@keys") shape = shape?.kind === "map" ? KEY : undefined;
    else shape = shape?.fields?.get(step);
  }
  return shape?.most;
}

/** What stands one step further, with the length that the path tells. */
function stepInto(holder: Shape, step: string, shape: Shape, scope: Scope): Shape {
  const path = [...(holder.path ?? []), step];
  const most = lengthAt(path, scope);
  return { ...loose(shape), path, ...(most === undefined ? {} : { most }) };
}

const PLAIN_RESULTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    "int size indexOf lastIndexOf getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds getMilliseconds compareTo sign asInteger family prefixLength major minor patch"
      .split(" ")
      .map((name) => [name, "int"]),
  ),
  ...Object.fromEntries(
    "bool hasValue startsWith endsWith contains matches @in !_ @not_strictly_false isSorted isURL isIP isCIDR isQuantity isSemver isInteger isGreaterThan isLessThan isUnspecified isLoopback isLinkLocalUnicast isLinkLocalMulticast containsIP containsCIDR __sets_contains __sets_equivalent __sets_intersects _==_ _!=_ _<_ _<=_ _>_ _>=_"
      .split(" ")
      .map((name) => [name, "bool"]),
  ),
  ...{ double: "double", asApproximateFloat: "double", uint: "uint", timestamp: "timestamp", duration: "duration" },
  ...{ string: "string", bytes: "bytes", charAt: "string", getScheme: "string", getHostname: "string" },
  ...{ getEscapedPath: "string", format: "string", quantity: "quantity", semver: "semver", ip: "ip", cidr: "cidr" },
  ...{ masked: "cidr", add: "quantity", sub: "quantity" },
};
const SAME_SIZE = new Set(["lowerAscii", "upperAscii", "substring", "trim"]);
/** Equal at the cost of one. */
const VALUES = new Set(["quantity", "semver", "ip", "cidr"]);
const PARSERS = new Set(["cidr", "ip", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"]);
const OVER_LISTS = new Set(["isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"]);
const ORDERS = new Set(["_<_", "_<=_", "_>_", "_>=_"]);

/** Values that are put into one text. */
function joined({ most, of = UNKNOWN, ...list }: Shape, separator: Shape | undefined): number {
  const items = sizeOf({ ...list, ...(most === undefined ? {} : { most }) });
  return times(items, sizeOf(of)) + (separator ? times(Math.max(0, items - 1), sizeOf(separator)) : 0);
}

function replaced(size: number, [from, to]: readonly Shape[], atLeast: number): number {
  const [before, after] = [atLeast, to ? sizeOf(to) : 0];
  if (from === undefined) return Infinity;
  if (before === 0) return times(size + 1, after) + size;
  return after <= before ? size : times(Math.ceil(size / before), after);
}

/** What a call costs beside its arguments, and what it gives; undefined = one, and what `PLAIN_RESULTS` says. */
function ofFunction(name: string, target: Shape | undefined, args: readonly Shape[], call: Call): Estimate | undefined {
  const [first = UNKNOWN, second = UNKNOWN] = args;
  const plain = scalar(PLAIN_RESULTS[name] ?? "dyn");
  const size = sizeOf(target ?? first);
  if (SAME_SIZE.has(name)) return { cost: walk(size), shape: text(size) };
  if (OVER_LISTS.has(name) && target) {
    const isText = target.of === undefined;
    const each = 1 + (target.of?.kind === "string" || target.of?.kind === "bytes" ? walk(sizeOf(target.of)) : 0);
    const result = name === "min" || name === "max" || name === "sum" ? loose(target.of ?? UNKNOWN) : plain;
    return { cost: isText ? walk(size) : times(size, each), shape: result };
  }
  if (PARSERS.has(name) && !(name === "ip" && target))
    return { cost: walk(sizeOf(first)), shape: { kind: plain.kind } };
  switch (name) {
    case "url":
      return { cost: walk(size), shape: { kind: "url", most: size } };
    case "replace": {
      const least = call.args[0]?.exprKind.case === "constExpr" ? sizeOf(first) : 0;
      return { cost: walk(size, 0.2), shape: text(replaced(size, args, least)) };
    }
    case "split": {
      const { case: kind, value } = call.args[1]?.exprKind ?? {};
      const given = kind === "constExpr" ? Number(value!.constantKind.value) : size;
      return { cost: walk(size, 0.2), shape: { kind: "list", most: given, of: text() } };
    }
    case "join": {
      const most = joined(target ?? UNKNOWN, args[0]);
      return { cost: walk(most), shape: text(most) };
    }
    case "find":
    case "findAll": {
      const shape = name === "find" ? text(size) : { kind: "list", most: size, of: text() };
      return { cost: matching(size, sizeOf(first)), shape };
    }
    case "matches":
      return { cost: matching(size, sizeOf(first)), shape: plain };
    case "contains":
      return { cost: times(walk(size), walk(sizeOf(first))), shape: plain };
    case "startsWith":
    case "endsWith":
      return { cost: walk(sizeOf(first)), shape: plain };
    case "format":
      return { cost: walk(size), shape: text() };
    case "bytes":
      return { cost: walk(size), shape: { kind: "bytes", most: size * 4 } };
    case "validate": {
      const list: Shape = { kind: "list", of: text() };
      return { cost: walk(walk(sizeOf(first)), FORMAT_LENGTH * REGEX), shape: { kind: "optional", of: list } };
    }
    case "containsIP":
      return { cost: ADDRESSES + (first.kind === "ip" ? 0 : walk(sizeOf(first))), shape: plain };
    case "containsCIDR":
      return { cost: ADDRESSES + 3 + (first.kind === "cidr" ? 0 : walk(sizeOf(first))), shape: plain };
    case "__sets_contains":
    case "__sets_intersects":
    case "__sets_equivalent": {
      const pairs = times(sizeOf(first), sizeOf(second));
      return { cost: (name === "__sets_equivalent" ? 2 : 1) * pairs + 1, shape: plain };
    }
    case "@in":
      return {
        cost: second.kind === "map" ? 1 : Math.max(second.kind === "dyn" ? 1 : 0, sizeOf(second)),
        shape: plain,
      };
    default:
      return undefined;
  }
}

function ofOperator(name: string, args: readonly Shape[]): Estimate | undefined {
  const [left = UNKNOWN, right = UNKNOWN] = args;
  const smaller = Math.min(sizeOf(left), sizeOf(right));
  const isText = [left, right].every(({ kind }) => kind === "string" || kind === "bytes");
  const mayBeText = [left, right].every(({ kind }) => ["string", "bytes", "dyn"].includes(kind));
  if (name === "_==_" || name === "_!=_") {
    const isOne = name === "_==_" && left.kind === right.kind && VALUES.has(left.kind);
    return { cost: isOne ? 1 : walk(smaller), shape: scalar("bool") };
  }
  if (ORDERS.has(name) && mayBeText)
    return { cost: isText ? walk(smaller) : Math.max(1, walk(smaller)), shape: scalar("bool") };
  if (name !== "_+_") return undefined;
  const most = sizeOf(left) + sizeOf(right);
  if (left.kind === "list" || right.kind === "list") {
    const of = left.of && right.of ? either(left.of, right.of) : (right.of ?? left.of ?? UNKNOWN);
    return { cost: 1, shape: { kind: "list", most, of } };
  }
  if (!mayBeText) return { cost: 1, shape: scalar(left.kind === "dyn" ? right.kind : left.kind) };
  return { cost: isText ? walk(most) : Math.max(1, walk(most)), shape: { kind: isText ? "string" : "dyn", most } };
}

/** How many lists stand in the list that is given, those in their items too. */
function listsIn({ args: [list] }: Call): number {
  const within = (node: Expression): readonly Expression[] =>
    node.exprKind.case === "listExpr" ? node.exprKind.value.elements : [];
  const count = (node: Expression): number => (node.exprKind.case === "listExpr" ? 1 : 0);
  return within(list!).reduce(
    (sum, item) => sum + count(item) + (count(item) && within(item)[1] ? count(within(item)[1]!) : 0),
    0,
  );
}

/** Functions that are there for newer forms of the language (`cel-sugar.ts`), at the cost of the forms. */
function ofSugar(call: Call, target: Shape | undefined, args: readonly Shape[]): Estimate | undefined {
  const { function: name } = call;
  const [first = UNKNOWN] = args;
  const optional = (of: Shape): Shape => ({ kind: "optional", of: loose(of) });
  const within = target?.kind === "optional" ? (target.of ?? UNKNOWN) : (target ?? UNKNOWN);
  switch (name) {
    case "__at":
    case "__at_in":
      return { cost: 1, shape: optional(within.of ?? UNKNOWN) };
    case "__optional_none":
      return { cost: 1, shape: { kind: "optional" } };
    case "__optional_of":
    case "__optional_ofNonZeroValue":
      return { cost: 1, shape: optional(first) };
    case "value":
    case "orValue":
      return { cost: 1, shape: loose(target?.of ?? (name === "orValue" ? first : UNKNOWN)) };
    case "or":
      return { cost: 1, shape: target ?? UNKNOWN };
    case "__flat":
      return { cost: -1, shape: within.kind === "optional" ? within : UNKNOWN };
    case "__pairs":
      return { cost: 0, shape: { ...within, kind: `pairs of ${within.kind}` } };
    // a map is made where the older form makes a list of lists, or of maps
    case "__map":
      return {
        cost: MAP_COST - LIST_COST - times(2 * LIST_COST, sizeOf(within)),
        shape: { kind: "map", most: sizeOf(within) },
      };
    case "__merge":
      return {
        cost: MAP_COST - LIST_COST - times(LIST_COST, sizeOf(within)),
        shape: { kind: "map", most: sizeOf(within) },
      };
    case "__joined":
      return { cost: -LIST_COST * listsIn(call), shape: { kind: "list", most: sizeOf(first) } };
    case "__entries":
      return { cost: MAP_COST - LIST_COST * (1 + listsIn(call)), shape: { kind: "map", most: sizeOf(first) } };
    default:
      return undefined;
  }
}

const constant = (node: Expression | undefined): unknown =>
  node?.exprKind.case === "constExpr" ? node.exprKind.value.constantKind.value : undefined;

/** A field of an object, or an entry of a map, by its name. */
function fieldOf(holder: Shape, name: string): Shape {
  if (holder.kind === "optional") return fieldOf(holder.of ?? UNKNOWN, name);
  return holder.fields?.get(name) ?? (holder.kind === "map" ? holder.of : undefined) ?? UNKNOWN;
}

/** What `x` of a pair is: a key or an index, or the value. */
function ofPair({ args }: Call, scope: Scope): Estimate | undefined {
  const [pair, index] = args;
  if (pair?.exprKind.case !== "identExpr" || !pair.exprKind.value.name.startsWith("__pair")) return undefined;
  const shape = scope.get(pair.exprKind.value.name) ?? UNKNOWN;
  const isList = shape.kind.endsWith("list");
  if (Number(constant(index)) === 1)
    return { cost: 1, shape: stepInto(shape, isList ? "@items" : "@values", shape.of ?? UNKNOWN, scope) };
  return { cost: 1, shape: isList ? scalar("int") : stepInto(shape, "@keys", KEY, scope) };
}

/** An item of a list that is made here is as long as the longest. */
function ofIndex(holder: Shape, scope: Scope): Shape {
  const { kind, of = UNKNOWN, path } = holder;
  const item = stepInto(holder, kind === "list" ? "@items" : "@values", of, scope);
  return path === undefined && of.most !== undefined ? { ...item, most: of.most } : item;
}

function ofCall(call: Call, scope: Scope): Estimate {
  const { function: name, target } = call;
  const pair = name === "_[_]" ? ofPair(call, scope) : undefined;
  if (pair) return pair;
  const on = target && estimate(target, scope);
  const args = call.args.map((arg) => estimate(arg, scope));
  const shapes = args.map(({ shape }) => shape);
  const costs = args.map(({ cost }) => cost);
  const sum = costs.reduce((all, cost) => all + cost, on?.cost ?? 0);
  if (name === "_&&_" || name === "_||_") return { cost: sum, shape: scalar("bool") };
  if (name === "_?_:_")
    return { cost: costs[0]! + Math.max(costs[1]!, costs[2]!), shape: either(shapes[1]!, shapes[2]!) };
  if (name === "dyn") return { cost: sum + 1, shape: { ...shapes[0]!, kind: "dyn" } };
  if (name === "_[_]") return { cost: sum + 1, shape: ofIndex(shapes[0]!, scope) };
  if (name === "__get" || name === "__get_in" || name === "__field_in") {
    const of = loose(fieldOf(on?.shape ?? UNKNOWN, String(constant(call.args[0]))));
    const cost = sum + (name === "__field_in" ? 0 : 1);
    return { cost, shape: of.kind === "optional" ? of : { kind: "optional", of } };
  }
  const own = ofSugar(call, on?.shape, shapes) ?? ofOperator(name, shapes) ?? ofFunction(name, on?.shape, shapes, call);
  const kind = PLAIN_RESULTS[name] ?? (/^_[-*/%]_$|^-_$/.test(name) ? shapes[0]!.kind : "dyn");
  return own ? { cost: sum + own.cost, shape: own.shape } : { cost: sum + 1, shape: { kind } };
}

/** The item that a loop of `map` puts into its list. */
function itemOf({ loopStep }: Loop): Expression | undefined {
  const { case: kind, value } = loopStep?.exprKind ?? {};
  const list = kind === "callExpr" ? (value as Call).args[1]?.exprKind : undefined;
  return list?.case === "listExpr" ? list.value.elements[0] : undefined;
}

function ofLoop(loop: Loop, scope: Scope): Estimate {
  const range = estimate(loop.iterRange!, scope);
  const isOfPairs = range.shape.kind.startsWith("pairs of");
  const item: Shape = isOfPairs
    ? range.shape
    : range.shape.kind === "map"
      ? stepInto(range.shape, "@keys", KEY, scope)
      : stepInto(range.shape, "@items", range.shape.of ?? UNKNOWN, scope);
  if (range.shape.kind === "optional") {
    const content = loose(range.shape.of ?? UNKNOWN);
    const made = estimate(itemOf(loop) ?? loop.result!, new Map([...scope, [loop.iterVar, content]]));
    return { cost: 2 * range.cost + LIST_COST + 3 + made.cost, shape: { kind: "optional", of: loose(made.shape) } };
  }
  const first = estimate(loop.accuInit!, scope);
  const within = new Map([...scope, [loop.accuVar, first.shape], [loop.iterVar, item]]);
  const step = estimate(loop.loopStep!, within);
  const turn = estimate(loop.loopCondition!, within).cost + step.cost;
  const result = estimate(loop.result!, within);
  const count = sizeOf(range.shape);
  const shape = first.shape.kind === "list" ? { ...step.shape, most: count } : scalar(result.shape.kind);
  return { cost: range.cost + first.cost + result.cost + times(count, turn), shape };
}

function ofConstant(value: unknown, kind: string | undefined): Estimate {
  const name = (kind ?? "").replace(/(64)?Value$/, "");
  if (typeof value === "string") return { cost: 0, shape: text([...value].length) };
  return { cost: 0, shape: value instanceof Uint8Array ? { kind: "bytes", most: value.length } : scalar(name) };
}

function together(
  kind: "list" | "map",
  parts: readonly Expression[],
  values: readonly Expression[],
  scope: Scope,
): Estimate {
  const all = parts.map((part) => estimate(part, scope));
  const of = values
    .map((value) => estimate(value, scope).shape)
    .reduce<Shape | undefined>((a, b) => (a ? either(a, b) : b), undefined);
  const cost = all.reduce((sum, each) => sum + each.cost, kind === "list" ? LIST_COST : MAP_COST);
  return { cost, shape: { kind, most: values.length, of: of ?? { kind: "dyn", most: 0 } } };
}

function estimate(node: Expression, scope: Scope): Estimate {
  const { exprKind } = node;
  switch (exprKind.case) {
    case "constExpr":
      return ofConstant(exprKind.value.constantKind.value, exprKind.value.constantKind.case);
    case "identExpr":
      return {
        cost: 1,
        shape: scope.get(exprKind.value.name) ?? stepInto(UNKNOWN, exprKind.value.name, UNKNOWN, scope),
      };
    case "selectExpr": {
      const { operand, field, testOnly } = exprKind.value;
      const on = estimate(operand!, scope);
      if (testOnly) return { cost: on.cost, shape: scalar("bool") };
      const isHolder = on.shape.kind === "map" || on.shape.kind === "object";
      const shape = stepInto(on.shape, field, fieldOf(on.shape, field), scope);
      return { cost: on.cost + (isHolder ? 1 : 0), shape };
    }
    case "callExpr":
      return ofCall(exprKind.value, scope);
    case "listExpr":
      return together("list", exprKind.value.elements, exprKind.value.elements, scope);
    case "structExpr": {
      const values = exprKind.value.entries.flatMap(({ value }) => value ?? []);
      const keys = exprKind.value.entries.flatMap(({ keyKind }) => (keyKind.case === "mapKey" ? keyKind.value : []));
      return together("map", [...keys, ...values], values, scope);
    }
    case "comprehensionExpr":
      return ofLoop(exprKind.value, scope);
    default:
      return { cost: 0, shape: UNKNOWN };
  }
}

/** What an expression over `self` costs at most, infinite when that has no bound; `isOptional`: `oldSelf` is an optional value. */
export function costOf(node: Expression, self: Shape, isOptional: boolean): number {
  const old: Shape = { ...self, path: ["oldSelf"] };
  const variables: [string, Shape][] = [
    [ROOT, self],
    ["self", { ...self, path: ["self"] }],
    ["oldSelf", isOptional ? { ...old, kind: "optional", of: self } : old],
  ];
  return estimate(node, new Map(variables)).cost;
}
