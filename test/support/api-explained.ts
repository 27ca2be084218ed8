/** The fields of a kind as a server's OpenAPI document has them: what `kubectl explain --recursive` shows. */
import { type Fields, fieldsOf, isFields, listOf } from "../../src/kube/object.ts";
import type { ApiConnection } from "./api-exchange.ts";

const PREFIX = "#/components/schemas/";
const LOOK_MS = 50;

type Schemas = Readonly<Record<string, unknown>>;

/** What a node says of itself, and the name of the schema that it refers to. */
function followed(schemas: Schemas, node: Fields): { readonly name: string; readonly node: Fields } {
  const reference = node.$ref ?? fieldsOf(listOf(node.allOf)[0]).$ref;
  if (typeof reference !== "string") return { name: "", node };
  const name = reference.slice(PREFIX.length);
  return { name, node: { ...fieldsOf(schemas[name]), ...(node.enum === undefined ? {} : { enum: node.enum }) } };
}

/** Every field below a node, one line each; a schema that holds itself is not followed again. */
function linesOf(schemas: Schemas, from: Fields, path: string, above: readonly string[]): string[] {
  const { name, node } = followed(schemas, from);
  if (name !== "" && above.includes(name)) return [];
  const within = name === "" ? above : [...above, name];
  const lines = Object.entries(fieldsOf(node.properties)).flatMap(([key, value]) => {
    const here = `${path}.${key}`;
    const field = followed(schemas, fieldsOf(value)).node;
    const required = listOf(node.required).includes(key) ? " required" : "";
    const values = field.enum === undefined ? "" : ` ${JSON.stringify(field.enum)}`;
    return [`${here} ${String(field.type)}${required}${values}`, ...linesOf(schemas, fieldsOf(value), here, within)];
  });
  const more = isFields(node.additionalProperties)
    ? linesOf(schemas, node.additionalProperties, `${path}{}`, within)
    : [];
  return [...lines, ...more, ...(isFields(node.items) ? linesOf(schemas, node.items, `${path}[]`, within) : [])];
}

function isOfKind(schema: unknown, kind: string): boolean {
  const kinds = listOf(fieldsOf(schema)["x-kubernetes-group-version-kind"]).map(fieldsOf);
  return kinds.length === 1 && kinds[0]!.kind === kind;
}

/** The fields of the kind whose collection is at a path, sorted. Waits until the server publishes them. */
export async function explained(server: ApiConnection, at: string, kind: string): Promise<string[]> {
  const path = `/openapi/v3${/^\/(api\/v1|apis\/[^/]+\/[^/]+)/.exec(at)![0]}`;
  for (;;) {
    const answer = await server.ask({ method: "GET", path });
    const schemas = answer.code === 200 ? fieldsOf(fieldsOf(JSON.parse(answer.text)).components).schemas : {};
    const found = Object.values(fieldsOf(schemas)).find((schema) => isOfKind(schema, kind));
    if (found !== undefined) return linesOf(fieldsOf(schemas), fieldsOf(found), "", []).sort();
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
}
