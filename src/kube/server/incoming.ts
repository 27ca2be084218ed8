import { groupVersion, isFields, type KubeObject } from "../object.ts";
import { badRequest, invalid } from "../status.ts";
import type { ResourceKind } from "./kind.ts";

/** What is shown of a body that cannot be read, in characters. */
const SNIPPET = 30;

function clean(value: Readonly<Record<string, unknown>>): void {
  const metadata = value.metadata as Record<string, unknown>;
  for (const field of ["labels", "annotations", "finalizers", "ownerReferences"]) {
    if (metadata[field] === null) delete metadata[field];
  }
}

/** Which kind an object is of is taken from the path for built-in kinds alone. */
function requireType(body: Readonly<Record<string, unknown>>, kind: string): void {
  const missing = body.kind ? (body.apiVersion ? "" : "apiVersion") : "Kind";
  if (missing === "") return;
  const text = JSON.stringify(body);
  const start = text.length > SNIPPET ? `${text.slice(0, SNIPPET)} ...` : text;
  const why = `Object '${missing}' is missing in '${text}'`;
  throw badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${start})`);
}

/**
 * A request's body as an object of the kind, placed in the request's namespace. Changes the body in place.
 * Throws 400 when the body is of another kind, or names another namespace or object than the path (`name` unless "").
 */
export function incomingObject(body: unknown, kind: ResourceKind, namespace: string, name: string): KubeObject {
  if (!isFields(body)) throw badRequest("the body of the request must be an object");
  const wanted = groupVersion(kind.group, kind.version);
  if (kind.definition) requireType(body, kind.kind);
  body.apiVersion ??= wanted;
  body.kind ??= kind.kind;
  if (body.apiVersion !== wanted || body.kind !== kind.kind) {
    throw badRequest(
      body.kind === kind.kind
        ? `the API version in the data (${String(body.apiVersion)}) does not match the expected API version (${wanted})`
        : `the kind in the data (${String(body.kind)}) does not match the expected kind (${kind.kind})`,
    );
  }
  body.metadata ??= {};
  if (!isFields(body.metadata)) throw badRequest("metadata must be an object");
  clean(body);
  const object = body as KubeObject;
  const { metadata } = object;
  if (kind.namespaced) {
    metadata.namespace ||= namespace;
    if (metadata.namespace !== namespace) {
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    }
  } else if (metadata.namespace) {
    throw badRequest("namespace may not be set on a cluster-scoped resource");
  } else {
    delete metadata.namespace;
  }
  if (name !== "" && (metadata.name ?? "") !== name) {
    if (metadata.name) {
      throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
    }
    metadata.name = name;
  }
  return object;
}

/** Throws 422 when neither a name nor a generateName is given. */
export function requireName(kind: ResourceKind, object: KubeObject): void {
  if (object.metadata.name || object.metadata.generateName) return;
  throw invalid(kind, "", [
    {
      field: "metadata.name",
      reason: "FieldValueRequired",
      message: "Required value: name or generateName is required",
    },
  ]);
}
