import { isBuiltinName } from "../schema/builtin.ts";
import { mapValues, type SchemaNode } from "../schema/node.ts";
import { collectSchemas, type ServedKind } from "./definitions.ts";
import { type Operation, operationsOf, pathParameters } from "./operations.ts";

export interface V2Parameter {
  readonly name: string;
  readonly in: "body" | "path" | "query";
  readonly type?: string;
  readonly required?: boolean;
  readonly uniqueItems?: boolean;
  readonly schema?: SchemaNode;
}

export interface V2Response {
  readonly description: string;
  readonly schema?: SchemaNode;
}

export interface V2Operation {
  readonly tags: readonly string[];
  readonly description: string;
  readonly operationId: string;
  readonly produces: readonly string[];
  readonly consumes: readonly string[];
  readonly schemes: readonly string[];
  readonly parameters?: readonly V2Parameter[];
  readonly responses: Readonly<Record<string, V2Response>>;
  readonly "x-kubernetes-action": string;
  readonly "x-kubernetes-group-version-kind": { group: string; version: string; kind: string };
}

export type V2PathItem = Partial<Record<Operation["method"], V2Operation>> & { parameters?: readonly V2Parameter[] };

/** An OpenAPI 2.0 document, in the parts that we write. */
export interface V2Document {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, V2PathItem>>;
  readonly definitions: Readonly<Record<string, SchemaNode>>;
  readonly securityDefinitions: Readonly<
    Record<string, { type: string; name: string; in: string; description: string }>
  >;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

const PRODUCES = ["application/json", "application/yaml"];

const referTo = (name: string): SchemaNode => ({ $ref: `#/definitions/${name}` });

function operationObject(operation: Operation): V2Operation {
  const query = operation.query.map((parameter) => ({ ...parameter, in: "query" as const, uniqueItems: true }));
  const body = operation.body
    ? [{ name: "body", in: "body" as const, required: operation.method !== "delete", schema: referTo(operation.body) }]
    : [];
  const ok = { description: "OK", ...(operation.answer ? { schema: referTo(operation.answer) } : {}) };
  const created = operation.method === "post" || operation.method === "put" || operation.method === "patch";
  return {
    tags: [operation.tag],
    description: `${operation.action} ${operation.kind.kind}`,
    operationId: operation.id,
    produces: operation.action === "list" ? [...PRODUCES, "application/json;stream=watch"] : PRODUCES,
    consumes: operation.consumes,
    schemes: ["https"],
    ...(body.length + query.length > 0 ? { parameters: [...body, ...query] } : {}),
    responses: {
      "200": ok,
      ...(created ? { "201": { ...ok, description: "Created" } } : {}),
      "401": { description: "Unauthorized" },
    },
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": { ...operation.kind },
  };
}

function pathsOf(kinds: readonly ServedKind[]): Record<string, V2PathItem> {
  const paths: Record<string, V2PathItem> = {};
  for (const operation of kinds.flatMap(operationsOf)) {
    const item = paths[operation.path] ?? {};
    paths[operation.path] = item;
    item[operation.method] = operationObject(operation);
    const inPath = pathParameters(operation.path);
    item.parameters = [
      ...inPath.map((name) => ({ name, in: "path" as const, type: "string", required: true, uniqueItems: true })),
      { name: "pretty", in: "query", type: "string", uniqueItems: true },
    ];
  }
  return Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const ONLY_IN_V3 = ["oneOf", "anyOf", "not", "nullable", "x-shieldgate-zero"] as const;

/** OpenAPI 2 has no alternatives and no null: a node that needs them says less, so that clients refuse nothing valid. */
function lowered(node: SchemaNode, isBuiltin: boolean): SchemaNode {
  const rest: Record<string, unknown> = { ...node };
  // of built-in kinds version 2 says no values
  if (isBuiltin) delete rest.enum;
  for (const key of ONLY_IN_V3) delete rest[key];
  if (node["x-kubernetes-int-or-string"] || node.nullable) delete rest.type;
  if (node["x-kubernetes-preserve-unknown-fields"] || node.nullable) {
    delete rest.properties;
    delete rest.items;
    return rest as SchemaNode;
  }
  const values = mapValues(node);
  if (node.items) rest.items = lowered(node.items, isBuiltin);
  if (values) rest.additionalProperties = lowered(values, isBuiltin);
  if (node.properties) {
    rest.properties = Object.fromEntries(
      Object.entries(node.properties).map(([key, child]) => [key, lowered(child, isBuiltin)]),
    );
  }
  return rest as SchemaNode;
}

/** The OpenAPI 2.0 document of all kinds: `/openapi/v2`. */
export function openApiV2(kinds: readonly ServedKind[]): V2Document {
  const definitions = [...collectSchemas(kinds)].map(
    ([name, node]) => [name, lowered(node, isBuiltinName(name))] as const,
  );
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: "v1.34.0+shieldgate" },
    paths: pathsOf(kinds),
    definitions: Object.fromEntries(definitions),
    securityDefinitions: {
      BearerToken: { type: "apiKey", name: "authorization", in: "header", description: "Bearer Token authentication" },
    },
    security: [{ BearerToken: [] }],
  };
}
