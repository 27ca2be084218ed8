import type { parse } from "@bufbuild/cel";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

export type Expression = NonNullable<ReturnType<typeof parse>["expr"]>;
type Call = Extract<Expression["exprKind"], { case: "callExpr" }>["value"];
type Select = Extract<Expression["exprKind"], { case: "selectExpr" }>["value"];

/** What an expression gives: a scalar by CEL's name, a message, a list or a map of something; undefined = it shows with a flow. */
export type CelType =
  | string
  | DescMessage
  | { readonly kind: "list" | "map"; readonly of: CelType | undefined }
  | undefined;

const LOGIC: ReadonlySet<string> = new Set(["_&&_", "_||_", "!_"]);
const RELATIONS: ReadonlySet<string> = new Set(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"]);
const TESTS: ReadonlySet<string> = new Set(["@in", "startsWith", "endsWith", "contains", "matches", "bool"]);
const CASTS: ReadonlySet<string> = new Set(["int", "uint", "double", "string", "bytes"]);

const CONSTANTS: Readonly<Record<string, string>> = {
  boolValue: "bool",
  int64Value: "int",
  uint64Value: "uint",
  doubleValue: "double",
  stringValue: "string",
  bytesValue: "bytes",
};

function scalarName(type: ScalarType): string {
  if (type === ScalarType.BOOL) return "bool";
  if (type === ScalarType.STRING) return "string";
  if (type === ScalarType.BYTES) return "bytes";
  if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return "double";
  const unsigned = [ScalarType.UINT32, ScalarType.UINT64, ScalarType.FIXED32, ScalarType.FIXED64];
  return unsigned.includes(type) ? "uint" : "int";
}

/** Wrappers of scalars stand for the scalar or nothing, which only a flow can tell. */
function messageType(message: DescMessage): CelType {
  return message.typeName.startsWith("google.protobuf.") ? undefined : message;
}

function fieldType(field: DescField): CelType {
  if (field.fieldKind === "map") return { kind: "map", of: undefined };
  const one = field.message !== undefined ? messageType(field.message) : field.enum ? "int" : scalarName(field.scalar!);
  return field.fieldKind === "list" ? { kind: "list", of: one } : one;
}

/** Says what an expression gives, and throws on one that can give nothing whatever the flow is. */
export class CelTypes {
  private readonly variables: Readonly<Record<string, CelType>>;

  constructor(variables: Readonly<Record<string, CelType>>) {
    this.variables = variables;
  }

  /** Throws Error on a field that no message has, and where no function takes what it is given. */
  of(node: Expression | undefined): CelType {
    const { exprKind } = node ?? {};
    switch (exprKind?.case) {
      case "constExpr":
        return CONSTANTS[exprKind.value.constantKind.case ?? ""];
      case "identExpr":
        return this.variables[exprKind.value.name];
      case "selectExpr":
        return this.selected(exprKind.value);
      case "callExpr":
        return this.called(exprKind.value);
      case "listExpr": {
        const [first] = exprKind.value.elements.map((element) => this.of(element));
        return { kind: "list", of: first };
      }
      case "structExpr":
        for (const entry of exprKind.value.entries) this.of(entry.value);
        return exprKind.value.messageName === "" ? { kind: "map", of: undefined } : undefined;
      case "comprehensionExpr": {
        const { iterVar, iterRange, accuVar, accuInit, loopCondition, loopStep, result } = exprKind.value;
        const range = this.of(iterRange);
        const item = typeof range === "object" && "of" in range && range.kind === "list" ? range.of : undefined;
        const within = new CelTypes({ ...this.variables, [iterVar]: item, [accuVar]: this.of(accuInit) });
        for (const each of [loopCondition, loopStep]) within.of(each);
        return within.of(result);
      }
      default:
        return undefined;
    }
  }

  private selected({ operand, field: name, testOnly }: Select): CelType {
    const message = this.of(operand);
    if (typeof message === "string") throw new Error(`type '${message}' does not support field selection`);
    if (message === undefined || !("fields" in message)) return testOnly ? "bool" : undefined;
    const field = message.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`${message.typeName} has no field ${JSON.stringify(name)}`);
    return testOnly ? "bool" : fieldType(field);
  }

  private called({ function: name, target, args }: Call): CelType {
    const types = [...(target === undefined ? [] : [target]), ...args].map((each) => this.of(each));
    const [first, second, third] = types;
    if (LOGIC.has(name)) {
      if (types.some((type) => type !== undefined && type !== "bool")) throw noOverload(name, types);
      return "bool";
    }
    if (RELATIONS.has(name)) {
      if (typeof first === "string" && typeof second === "string" && first !== second) throw noOverload(name, types);
      return "bool";
    }
    if (name === "_?_:_") {
      if (first !== undefined && first !== "bool") throw noOverload(name, types);
      return second === third ? second : undefined;
    }
    if (name === "_[_]") return typeof first === "object" && "of" in first ? first.of : undefined;
    if (TESTS.has(name)) return "bool";
    if (CASTS.has(name)) return name;
    return name === "size" ? "int" : undefined;
  }
}

/** In the words of upstream's checker. */
function noOverload(name: string, types: readonly CelType[]): Error {
  return new Error(`found no matching overload for '${name}' applied to '(${types.map(typeName).join(", ")})'`);
}

function typeName(type: CelType): string {
  if (type === undefined) return "dyn";
  if (typeof type === "string") return type;
  if ("typeName" in type) return type.typeName;
  return type.kind === "list" ? `list(${typeName(type.of)})` : "map(dyn, dyn)";
}
