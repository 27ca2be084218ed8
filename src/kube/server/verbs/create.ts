import { randomUUID } from "node:crypto";
import { type KubeObject, timestamp } from "../../object.ts";
import { alreadyExists, badRequest, internalError } from "../../status.ts";
import { checkEscalation } from "../authorization.ts";
import { type Api, fromStored, type Outcome, type WriteOptions } from "../context.ts";
import { incomingObject, requireName } from "../incoming.ts";
import { type ResourceKind, serves } from "../kind.ts";
import { generateName } from "../names.ts";
import { admitCreation } from "../namespace-lifecycle.ts";
import { type FieldManager, managersAfterWrite, writeManagers } from "../patch/managed-fields.ts";
import { adviceOn, checkFields, checkRules, preparationOf } from "../preparation.ts";

const GENERATED_NAME_TRIES = 8;

/** Sets what only the server may say. */
function stampMetadata(object: KubeObject, kind: ResourceKind, now: number): void {
  const { metadata } = object;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(now);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.generation;
  if (kind.counted) metadata.generation = 1;
}

function freeName(api: Api, kind: ResourceKind, object: KubeObject): string {
  const { name, generateName: base, namespace = "" } = object.metadata;
  if (name) return name;
  for (let attempt = 0; attempt < GENERATED_NAME_TRIES; attempt++) {
    const candidate = generateName(base ?? "");
    if (!api.store.get(kind.storage, namespace, candidate)) return candidate;
  }
  throw alreadyExists(kind, base ?? "");
}

/**
 * Creates an object from a request's body. Throws 400 (body), 403 and 404 (namespace), 409 (name taken), 422 (rules).
 * `name` is set when the path names the object, as server-side apply does, which also knows the fields' `owners`.
 */
export function createObject(
  api: Api,
  kind: ResourceKind,
  namespace: string,
  body: unknown,
  options: WriteOptions,
  name = "",
  owners?: readonly FieldManager[],
): Outcome {
  const incoming = incomingObject(body, kind, namespace, name);
  requireName(kind, incoming);
  if (incoming.metadata.resourceVersion) {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  incoming.metadata.name = freeName(api, kind, incoming);
  admitCreation(api.store, kind, namespace, incoming.metadata.name);
  let object = checkFields(api, kind, incoming, options);
  if (serves(kind, "status") && kind.storage !== "/nodes") delete object.status;
  stampMetadata(object, kind, api.now());
  kind.strategy.fillDefaults?.(object);
  writeManagers(
    object,
    owners ??
      managersAfterWrite(kind, undefined, object, { manager: options.fieldManager, subresource: "", now: api.now() }),
  );
  kind.strategy.prepareCreate?.(object, preparationOf(api));
  object = api.schema.asWritten(kind, object);
  checkRules(api, kind, "CREATE", object, undefined);
  if (api.store.get(kind.storage, namespace, object.metadata.name)) throw alreadyExists(kind, object.metadata.name);
  if (options.user) checkEscalation(api.store, options.user, kind.resource, object);
  const warnings = adviceOn(api, kind, object);
  if (kind.convert) object = kind.convert.toStored(object);
  if (options.dryRun) return { object: fromStored(kind, object), warnings };
  const stored = api.store.create(kind.storage, object);
  if (!stored) throw internalError("the name was taken while the object was prepared");
  return { object: fromStored(kind, stored.object), warnings };
}
