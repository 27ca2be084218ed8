import type { parse } from "@bufbuild/cel";
import { type DescField, type DescFile, type DescMessage, ScalarType } from "@bufbuild/protobuf";

export type Expression = NonNullable<ReturnType<typeof parse>["expr"]>;
type Kind<C extends Expression["exprKind"]["case"]> = Extract<Expression["exprKind"], { case: C }>["value"];

/** An object whose fields are known by name. */
interface ObjectType {
  readonly typeName: "object";
  readonly known: Readonly<Record<string, CelType>>;
}

/** Whose messages and enums an expression may name, and which more functions it may call. */
export interface CelNames extends Pick<DescFile, "messages" | "enums"> {
  readonly proto: { readonly package: string };
  readonly functions?: ReadonlySet<string>;
}

/** What an expression gives: a scalar by CEL's name, a message, a list, map or wrapper of something; undefined = it shows with a flow. */
export type CelType =
  | string
  | DescMessage
  | ObjectType
  | { readonly kind: "list" | "map" | "wrapper"; readonly of: CelType | undefined }
  | undefined;

/** An expression, or a field of a message that is made. */
type Part = Pick<Expression, "id"> & Partial<Expression>;

/** A fault, and what has it. */
export interface CelFault {
  readonly node: Part | undefined;
  readonly problem: string;
}

const NULL = "null_type";
const EQUALS: ReadonlySet<string> = new Set(["_==_", "_!=_"]);
const NUMBERS: readonly string[] = ["int", "uint", "double"];
const ORDERED: readonly string[] = ["bool", "bytes", "string", ...NUMBERS];
/** Operators on two of one kind that give the same: which kinds. */
const ARITHMETIC: Readonly<Record<string, readonly string[]>> = {
  "_+_": ["bytes", "string", ...NUMBERS],
  "_-_": NUMBERS,
  "_*_": NUMBERS,
  "_/_": NUMBERS,
  "_%_": ["int", "uint"],
};
const ORDER: ReadonlySet<string> = new Set(["_<_", "_<=_", "_>_", "_>=_"]);
const TEXT_TESTS: ReadonlySet<string> = new Set(["startsWith", "endsWith", "contains", "matches"]);
const CASTS: ReadonlySet<string> = new Set(["bool", "int", "uint", "double", "string", "bytes"]);
const OTHERS =
  "dyn type timestamp duration getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds @not_strictly_false";
const OTHER_FUNCTIONS: ReadonlySet<string> = new Set(OTHERS.split(" "));
/** What the parser makes loops of, unless they name no variable. */
const MACROS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);
const TYPE_NAMES: ReadonlySet<string> = new Set([...CASTS, "list", "map", NULL, "type"]);

const CONSTANTS: Readonly<Record<string, string>> = {
  boolValue: "bool",
  int64Value: "int",
  uint64Value: "uint",
  doubleValue: "double",
  stringValue: "string",
  bytesValue: "bytes",
  nullValue: NULL,
};

function scalarName(type: ScalarType): string {
  if (type === ScalarType.BOOL) return "bool";
  if (type === ScalarType.STRING) return "string";
  if (type === ScalarType.BYTES) return "bytes";
  if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return "double";
  const unsigned = [ScalarType.UINT32, ScalarType.UINT64, ScalarType.FIXED32, ScalarType.FIXED64];
  return unsigned.includes(type) ? "uint" : "int";
}

/** Wrappers of scalars stand for the scalar or null; what else Google's package has only a flow can tell. */
function messageType(message: DescMessage): CelType {
  if (/^google\.protobuf\.\w+Value$/.test(message.typeName)) {
    const scalar = message.fields[0]?.scalar;
    return scalar === undefined ? undefined : { kind: "wrapper", of: scalarName(scalar) };
  }
  return message.typeName.startsWith("google.protobuf.") ? undefined : message;
}

function fieldType(field: DescField): CelType {
  if (field.fieldKind === "map") return { kind: "map", of: undefined };
  const one = field.message !== undefined ? messageType(field.message) : field.enum ? "int" : scalarName(field.scalar!);
  return field.fieldKind === "list" ? { kind: "list", of: one } : one;
}

function bare(type: CelType): CelType {
  return typeof type === "object" && "kind" in type && type.kind === "wrapper" ? type.of : type;
}

function isNullable(type: CelType): boolean {
  return type === NULL || (typeof type === "object" && (!("of" in type) || type.kind === "wrapper"));
}

/** Whether values of both can be compared. */
function isLike(one: CelType, other: CelType): boolean {
  if (one === undefined || other === undefined) return true;
  if (one === NULL || other === NULL) return isNullable(one) && isNullable(other);
  const [a, b] = [bare(one), bare(other)];
  if (typeof a !== "object" || typeof b !== "object") return a === b;
  if ("of" in a && "of" in b) return a.kind === b.kind && isLike(a.of, b.of);
  return !("of" in a) && !("of" in b) && a.typeName === b.typeName;
}

function isOneOf(type: CelType, names: readonly string[]): boolean {
  const plain = bare(type);
  return plain === undefined || (typeof plain === "string" && names.includes(plain));
}

/** Of two like types the one that says more. */
function closer(one: CelType, other: CelType): CelType {
  const isVague = one === undefined || (typeof one === "object" && "of" in one && one.of === undefined);
  return isVague ? (other ?? one) : one;
}

/** Says what an expression gives, and what is wrong with it whatever the flow is, in the words of upstream's checker (cel-go). */
export class CelTypes {
  readonly faults: CelFault[];
  private readonly file: CelNames;
  private readonly variables: Readonly<Record<string, CelType>>;

  constructor(file: CelNames, variables: Readonly<Record<string, CelType>>, faults: CelFault[] = []) {
    this.file = file;
    this.variables = variables;
    this.faults = faults;
  }

  /** What is faulty gives undefined. */
  of(node: Expression | undefined): CelType {
    const { exprKind } = node ?? {};
    switch (exprKind?.case) {
      case "constExpr":
        return CONSTANTS[exprKind.value.constantKind.case ?? ""];
      case "identExpr":
        return this.named(node, exprKind.value.name);
      case "selectExpr":
        return this.selected(node, exprKind.value);
      case "callExpr":
        return this.called(node, exprKind.value);
      case "listExpr": {
        const types = exprKind.value.elements.map((element) => this.of(element));
        return { kind: "list", of: types.every((type) => isLike(types[0], type)) ? types[0] : undefined };
      }
      case "structExpr":
        return this.made(node, exprKind.value);
      case "comprehensionExpr":
        return this.gathered(exprKind.value);
      default:
        return undefined;
    }
  }

  private fault(node: Part | undefined, problem: string): undefined {
    this.faults.push({ node, problem });
  }

  private undeclared(node: Expression | undefined, name: string): undefined {
    return this.fault(node, `undeclared reference to '${name}' (in container '${this.file.proto.package}')`);
  }

  private named(node: Expression | undefined, name: string): CelType {
    if (name in this.variables) return this.variables[name];
    return TYPE_NAMES.has(name) ? undefined : this.undeclared(node, name);
  }

  private selected(node: Expression | undefined, { operand, field: name, testOnly }: Kind<"selectExpr">): CelType {
    const { exprKind } = operand ?? {};
    if (exprKind?.case === "identExpr" && !(exprKind.value.name in this.variables)) {
      const known = this.file.enums.find((candidate) => candidate.name === exprKind.value.name);
      if (known?.values.some((value) => value.name === name)) return "int";
    }
    const type = this.of(operand);
    if (type === undefined) return testOnly ? "bool" : undefined;
    if (typeof type === "string" || ("of" in type && type.kind !== "map"))
      return this.fault(node, `type '${typeName(type)}' does not support field selection`);
    if ("of" in type) return testOnly ? "bool" : type.of;
    if ("known" in type) {
      if (!Object.hasOwn(type.known, name)) return this.fault(node, `undefined field '${name}'`);
      return testOnly ? "bool" : type.known[name];
    }
    const field = type.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return this.fault(node, `undefined field '${name}'`);
    return testOnly ? "bool" : fieldType(field);
  }

  private made(node: Expression | undefined, { messageName, entries }: Kind<"structExpr">): CelType {
    for (const { value } of entries) this.of(value);
    if (messageName === "") return { kind: "map", of: undefined };
    if (messageName.includes(".")) return undefined;
    const message = this.file.messages.find((candidate) => candidate.name === messageName);
    if (message === undefined) return this.undeclared(node, messageName);
    for (const { id, keyKind } of entries) {
      if (keyKind.case === "fieldKey" && !message.fields.some((field) => field.name === keyKind.value))
        this.fault({ id }, `undefined field '${keyKind.value}'`);
    }
    return message;
  }

  private gathered(loop: Kind<"comprehensionExpr">): CelType {
    const range = this.of(loop.iterRange);
    const isRange = range === undefined || (typeof range === "object" && "of" in range && range.kind !== "wrapper");
    if (!isRange) {
      const problem = `expression of type '${typeName(range)}' cannot be range of a comprehension`;
      return this.fault(loop.iterRange, `${problem} (must be list, map, or dynamic)`);
    }
    const item = typeof range === "object" && range.kind === "list" ? range.of : undefined;
    const within = (accumulated: CelType) => {
      const variables = { ...this.variables, [loop.iterVar]: item, [loop.accuVar]: accumulated };
      return new CelTypes(this.file, variables, this.faults);
    };
    const first = this.of(loop.accuInit);
    within(first).of(loop.loopCondition);
    return within(closer(first, within(first).of(loop.loopStep))).of(loop.result);
  }

  private called(node: Expression | undefined, { function: name, target, args }: Kind<"callExpr">): CelType {
    const types = [...(target === undefined ? [] : [target]), ...args].map((each) => this.of(each));
    if (name === "_&&_" || name === "_||_") {
      for (const [at, type] of types.entries()) {
        if (!isOneOf(type, ["bool"])) this.fault(args[at], `expected type 'bool' but found '${typeName(type)}'`);
      }
      return "bool";
    }
    if (this.file.functions?.has(name)) return undefined;
    const given = resultOf(name, types);
    if (given === "unknown function" && target === undefined && name === "has")
      return this.fault(args[0], "invalid argument to has() macro");
    if (given === "unknown function" && target !== undefined && MACROS.has(name))
      return this.fault(args[0], "argument must be a simple name");
    if (given === "unknown function") return this.undeclared(node, name);
    if (given !== "no overload") return given?.type;
    const [first, ...rest] = types.map(typeName);
    const signature = target === undefined ? `(${[first, ...rest].join(", ")})` : `${first}.(${rest.join(", ")})`;
    return this.fault(node, `found no matching overload for '${name}' applied to '${signature}'`);
  }
}

function resultOf(name: string, types: readonly CelType[]): { type: CelType } | "no overload" | "unknown function" {
  const [first, second, third] = types;
  const when = (fits: boolean, type: CelType) => (fits ? { type } : "no overload");
  if (EQUALS.has(name)) return when(isLike(first, second), "bool");
  // null may be a time
  if ((ORDER.has(name) || name === "_+_" || name === "_-_") && types.some((type) => type === NULL))
    return when(
      types.every((type) => isOneOf(type, [NULL])),
      ORDER.has(name) ? "bool" : undefined,
    );
  if (ORDER.has(name))
    return when(isLike(first, second) && isOneOf(first, ORDERED) && isOneOf(second, ORDERED), "bool");
  if (name === "!_") return when(isOneOf(first, ["bool"]), "bool");
  if (name === "-_") return when(isOneOf(first, ["int", "double"]), bare(first));
  if (name === "_?_:_")
    return when(isOneOf(first, ["bool"]) && isLike(second, third), second && third && closer(second, third));
  if (name in ARITHMETIC) {
    const takes = (type: CelType) => isOneOf(type, ARITHMETIC[name]!) || (name === "_+_" && isList(type));
    const fits = isLike(first, second) && takes(first) && takes(second);
    return when(fits, first === undefined || second === undefined ? undefined : closer(bare(first), bare(second)));
  }
  if (name === "_[_]") {
    if (first === undefined) return { type: undefined };
    const isMany = typeof first === "object" && "of" in first && first.kind !== "wrapper";
    return when(isMany && (first.kind === "map" || isOneOf(second, ["int"])), isMany ? first.of : undefined);
  }
  if (name === "@in") {
    const isMany = typeof second === "object" && "of" in second && second.kind !== "wrapper";
    return when(second === undefined || (isMany && (second.kind === "map" || isLike(first, second.of))), "bool");
  }
  if (TEXT_TESTS.has(name)) return when(isOneOf(first, ["string"]) && isOneOf(second, ["string"]), "bool");
  if (name === "size") return when(isOneOf(first, ["string", "bytes"]) || isMany(first), "int");
  if (CASTS.has(name)) return { type: name };
  return OTHER_FUNCTIONS.has(name) ? { type: undefined } : "unknown function";
}

function isList(type: CelType): boolean {
  return typeof type === "object" && "of" in type && type.kind === "list";
}

function isMany(type: CelType): boolean {
  return typeof type === "object" && "of" in type && type.kind !== "wrapper";
}

/** As upstream's faults name types. */
export function typeName(type: CelType): string {
  if (type === undefined) return "dyn";
  if (typeof type === "string") return type === NULL ? "null" : type;
  if ("typeName" in type) return type.typeName;
  if (type.kind === "map") return type.of === undefined ? "map(dyn, dyn)" : `map(string, ${typeName(type.of)})`;
  return `${type.kind}(${typeName(type.of)})`;
}
