import { celEnv, isCelError, objectType, parse, plan } from "@bufbuild/cel";
import { create, createRegistry, type DescMessage } from "@bufbuild/protobuf";
import { type FlowFilter, FlowSchema, file_flow } from "../../../proto/gen/flow_pb.js";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

/** Who may ask must not be able to hold the observer up: upstream has no such bounds. */
const MAX_LENGTH = 16_384;
const MAX_NESTED_LOOPS = 3;

/** Errors that no flow could mend; what only an empty flow cannot answer for (an index into no labels) is none of them. */
const NEVER_RIGHT = /^unbound function|^unresolved|^unknown type|^type mismatch|overload|parsing regexp/;

const FLOW = "_flow";

function environmentOfFlows() {
  return celEnv({
    namespace: "flow",
    registry: createRegistry(file_flow),
    variables: { [FLOW]: objectType(FlowSchema) },
  });
}

/** Made when somebody first asks by an expression: few do. */
let environment: ReturnType<typeof environmentOfFlows> | undefined;

type Expression = NonNullable<ReturnType<typeof parse>["expr"]>;

function refuse(expression: string, problem: string): FilterError {
  return new FilterError(`experimental.cel_expression: ${JSON.stringify(expression)}: ${problem}`);
}

/**
 * Walks an expression for what would only show when a flow comes by: fields that no message has, and loops within loops. Returns
 * the message that the expression stands for, when it is a chain of fields from the flow.
 */
function inspect(text: string, node: Expression | undefined, loops: number): DescMessage | undefined {
  const { exprKind } = node ?? {};
  const visit = (child: Expression | undefined) => inspect(text, child, loops);
  switch (exprKind?.case) {
    case "identExpr":
      return exprKind.value.name === FLOW ? FlowSchema : undefined;
    case "selectExpr": {
      const { operand, field: name } = exprKind.value;
      const message = visit(operand);
      if (message === undefined) return undefined;
      const field = message.fields.find((candidate) => candidate.name === name);
      if (field === undefined) throw refuse(text, `${message.typeName} has no field ${JSON.stringify(name)}`);
      return field.fieldKind === "message" ? field.message : undefined;
    }
    case "callExpr":
      for (const child of [exprKind.value.target, ...exprKind.value.args]) visit(child);
      return undefined;
    case "listExpr":
      for (const child of exprKind.value.elements) visit(child);
      return undefined;
    case "structExpr":
      for (const entry of exprKind.value.entries) visit(entry.value);
      return undefined;
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      if (loops === MAX_NESTED_LOOPS) throw refuse(text, `more than ${MAX_NESTED_LOOPS} loops within each other`);
      visit(iterRange);
      for (const child of [accuInit, loopCondition, loopStep, result]) inspect(text, child, loops + 1);
      return undefined;
    }
    default:
      return undefined;
  }
}

function parsed(text: string): ReturnType<typeof parse> {
  try {
    return parse(text);
  } catch (error) {
    throw refuse(text, (error as Error).message);
  }
}

/** Throws FilterError on what does not parse, names a field that no message has, or is no boolean. */
function compileExpression(text: string): FlowTest {
  if (text.length > MAX_LENGTH) throw refuse(`${text.slice(0, 40)}…`, `longer than ${MAX_LENGTH} characters`);
  const expression = parsed(text);
  inspect(text, expression.expr, 0);
  environment ??= environmentOfFlows();
  const program = plan(environment, expression);
  const first = program({ [FLOW]: create(FlowSchema) });
  if (isCelError(first)) {
    if (NEVER_RIGHT.test(first.message)) throw refuse(text, first.message);
  } else if (typeof first !== "boolean") throw refuse(text, "wanted a boolean result");
  return (flow) => program({ [FLOW]: flow }) === true;
}

/** experimental.cel_expression: boolean expressions over `_flow`, whose fields have the names of flow.proto. */
export function celTests(filter: FlowFilter): FlowTest[] {
  const expressions = filter.experimental?.celExpression ?? [];
  return anyOf(expressions.map(compileExpression), (test, flow) => test(flow));
}
