import { celEnv, isCelError, objectType, parse, plan } from "@bufbuild/cel";
import { create, createRegistry } from "@bufbuild/protobuf";
import { type FlowFilter, FlowSchema, file_flow } from "../../../proto/gen/flow_pb.js";
import { showFaults } from "./cel-fault.ts";
import { CelTypes, type Expression, typeName } from "./cel-type.ts";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

/** Who may ask must not be able to hold the observer up: upstream has no such bounds. */
const MAX_LENGTH = 16_384;
const MAX_NESTED_LOOPS = 3;

/** Errors that no flow could mend; what only an empty flow cannot answer for (an index into no labels) is none of them. */
const NEVER_RIGHT = /^unbound function|^unresolved|^unknown type|parsing regexp/;

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

function refuse(expression: string, problem: string): FilterError {
  return new FilterError(`experimental.cel_expression: ${JSON.stringify(expression)}: ${problem}`);
}

/** In upstream's words. */
function notCompiled(problem: string): FilterError {
  return new FilterError(`error compiling CEL expression: ${problem}`);
}

/** Loops within loops. */
function checkLoops(text: string, node: Expression | undefined, loops: number): void {
  const { exprKind } = node ?? {};
  if (exprKind?.case === "comprehensionExpr" && loops === MAX_NESTED_LOOPS)
    throw refuse(text, `more than ${MAX_NESTED_LOOPS} loops within each other`);
  const isLoop = exprKind?.case === "comprehensionExpr";
  // what a loop goes through is made before it begins
  if (isLoop) checkLoops(text, exprKind.value.iterRange, loops);
  const within = isLoop ? loops + 1 : loops;
  for (const child of partsOf(exprKind)) checkLoops(text, child, within);
}

function partsOf(kind: Expression["exprKind"] | undefined): (Expression | undefined)[] {
  switch (kind?.case) {
    case "selectExpr":
      return [kind.value.operand];
    case "callExpr":
      return [kind.value.target, ...kind.value.args];
    case "listExpr":
      return kind.value.elements;
    case "structExpr":
      return kind.value.entries.map((entry) => entry.value);
    case "comprehensionExpr": {
      const { accuInit, loopCondition, loopStep, result } = kind.value;
      return [accuInit, loopCondition, loopStep, result];
    }
    default:
      return [];
  }
}

/** Fails on what would only show when a flow comes by, or never. */
function checkTypes(text: string, expression: ReturnType<typeof parse>): void {
  const types = new CelTypes(file_flow, { [FLOW]: FlowSchema });
  const type = types.of(expression.expr);
  if (types.faults.length > 0) throw notCompiled(showFaults(types.faults, text, expression));
  if (type !== undefined && type !== "bool") throw notCompiled(wanted(type === "null_type" ? type : typeName(type)));
}

function wanted(given: string): string {
  return `got ${JSON.stringify(given)}, wanted "bool" result type`;
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
  checkLoops(text, expression.expr, 0);
  checkTypes(text, expression);
  environment ??= environmentOfFlows();
  const program = plan(environment, expression);
  const first = program({ [FLOW]: create(FlowSchema) });
  if (isCelError(first)) {
    if (NEVER_RIGHT.test(first.message)) throw refuse(text, first.message);
  } else if (typeof first !== "boolean") throw notCompiled(wanted("dyn"));
  return (flow) => program({ [FLOW]: flow }) === true;
}

/** experimental.cel_expression: boolean expressions over `_flow`, whose fields have the names of flow.proto. */
export function celTests(filter: FlowFilter): FlowTest[] {
  const expressions = filter.experimental?.celExpression ?? [];
  return anyOf(expressions.map(compileExpression), (test, flow) => test(flow));
}
