import { createHash } from "node:crypto";
import builtinData from "../schema/builtin.json" with { type: "json" };
import { QUANTITY, referenceName } from "../schema/builtin.ts";
import { mapValues, type SchemaNode } from "../schema/node.ts";
import { collectSchemas, type ServedKind } from "./definitions.ts";
import { type Operation, operationsOf, pathParameters, versionPath } from "./operations.ts";

type Json = Readonly<Record<string, unknown>>;

/** What `/openapi/v3` lists: one document an API version, with a hash that changes when the document does. */
export interface V3Index {
  readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>;
}

const referTo = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const EITHER: Readonly<Record<string, Json>> = {
  [QUANTITY]: { oneOf: [{ type: "string" }, { type: "number" }] },
  [INT_OR_STRING]: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
};

/** References move to `components`; what stands beside one is kept by wrapping it, as OpenAPI 3.0 asks. */
function raised(node: SchemaNode): Json {
  const { $ref: _, "x-shieldgate-zero": __, ...rest } = node;
  const name = referenceName(node);
  if (name !== undefined) {
    return Object.keys(rest).length === 0 ? referTo(name) : { ...rest, allOf: [referTo(name)] };
  }
  const values = mapValues(node);
  const children = Object.entries(node.properties ?? {}).map(([key, child]) => [key, raised(child)] as const);
  return {
    ...rest,
    ...(node.items ? { items: raised(node.items) } : {}),
    ...(values ? { additionalProperties: raised(values) } : {}),
    ...(node.properties ? { properties: Object.fromEntries(children) } : {}),
  };
}

function content(types: readonly string[], schema: string | undefined): Json {
  const value = schema ? { schema: referTo(schema) } : {};
  return Object.fromEntries(types.map((type) => [type, value]));
}

function operationObject(operation: Operation): Json {
  const types =
    operation.action === "list" ? ["application/json", "application/json;stream=watch"] : ["application/json"];
  const ok = operation.answer
    ? { description: "OK", content: content(types, operation.answer) }
    : { description: "OK" };
  const created = operation.method === "post" || operation.method === "put" || operation.method === "patch";
  return {
    tags: [operation.tag],
    description: `${operation.action} ${operation.kind.kind}`,
    operationId: operation.id,
    parameters: operation.query.map(({ name, type }) => ({ name, in: "query", schema: { type, uniqueItems: true } })),
    ...(operation.body
      ? {
          requestBody: {
            content: content(operation.consumes, operation.body),
            required: operation.method !== "delete",
          },
        }
      : {}),
    responses: {
      "200": ok,
      ...(created ? { "201": { ...ok, description: "Created" } } : {}),
      "401": { description: "Unauthorized" },
    },
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}

function pathsOf(kinds: readonly ServedKind[]): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of kinds.flatMap(operationsOf)) {
    const names = pathParameters(operation.path);
    const item = paths[operation.path] ?? {
      parameters: [
        ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string", uniqueItems: true } })),
        { name: "pretty", in: "query", schema: { type: "string", uniqueItems: true } },
      ],
    };
    paths[operation.path] = item;
    item[operation.method] = operationObject(operation);
  }
  return Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const inVersion = (kinds: readonly ServedKind[], group: string, version: string): ServedKind[] =>
  kinds.filter((kind) => kind.group === group && kind.version === version);

/** The OpenAPI 3.0 document of one API version; undefined when no kind is served in it. */
export function openApiV3(kinds: readonly ServedKind[], group: string, version: string): Json | undefined {
  const own = inVersion(kinds, group, version);
  if (own.length === 0) return undefined;
  const schemas = [...collectSchemas(own)].map(([name, node]) => [name, EITHER[name] ?? raised(node)] as const);
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.34.0+shieldgate" },
    paths: pathsOf(own),
    components: {
      schemas: Object.fromEntries(schemas),
      securitySchemes: {
        BearerToken: {
          type: "apiKey",
          name: "authorization",
          in: "header",
          description: "Bearer Token authentication",
        },
      },
    },
  };
}

let builtinText: string | undefined;

/** Stands for the document without building it: what the document is made of, hashed. */
function hashOf(kinds: readonly ServedKind[]): string {
  builtinText ??= JSON.stringify(builtinData);
  const hash = createHash("sha256").update(builtinText);
  for (const { definition, ...kind } of kinds) {
    const { group, version, kind: name, resource, namespaced, verbs, subresources } = kind;
    hash.update(JSON.stringify([group, version, name, resource, namespaced, verbs, subresources, definition?.spec]));
  }
  return hash.digest("hex").toUpperCase();
}

/** The list of documents: `/openapi/v3`. */
export function openApiV3Index(kinds: readonly ServedKind[]): V3Index {
  const versions = new Map(kinds.map((kind) => [versionPath(kind.group, kind.version), kind]));
  const entries = [...versions]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { group, version }]) => {
      const url = `/openapi/v3${path}?hash=${hashOf(inVersion(kinds, group, version))}`;
      return [path.slice(1), { serverRelativeURL: url }] as const;
    });
  return { paths: Object.fromEntries(entries) };
}
