import { groupVersion, type KubeObject } from "../object.ts";
import { type FieldError, invalid, KubeError } from "../status.ts";
import type { Api, ObjectRef, WriteOptions } from "./context.ts";
import { EPHEMERAL_CONTAINERS, type Preparation, type ResourceKind } from "./kind.ts";
import { NO_REPETITION } from "./repeated-keys.ts";

/** 400: the object is not one of its kind. */
export class UnreadableObject extends KubeError {
  /** Why without the words around it. */
  readonly why: string;

  constructor(why: string, told = why) {
    super(400, "BadRequest", told);
    this.why = why;
  }
}

/** Refuses (Strict) or tells (Warn) what of a body is not in the object that is read from it. Throws 400. */
function checkReading(kind: ResourceKind, unknown: readonly string[], options: WriteOptions): void {
  const { fieldValidation, repeated = NO_REPETITION } = options;
  const texts = [...unknown].sort().map((path) => `unknown field "${path}"`);
  if (fieldValidation === "Warn") for (const text of [...repeated.warned, ...texts]) options.warn?.(text);
  const problems = [...repeated.refused, ...texts];
  if (fieldValidation !== "Strict" || problems.length === 0) return;
  const version = groupVersion(kind.group, kind.version).split("/").at(-1);
  const why = `strict decoding error: ${problems.join(", ")}`;
  const what = `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}`;
  throw new UnreadableObject(why, `${what}: ${why}`);
}

/** What strategies may look at. */
export function preparationOf(api: Api): Preparation {
  return {
    now: api.now(),
    serviceRanges: api.serviceRanges,
    find: (resource, namespace, name) => api.store.get(resource, namespace, name)?.object,
    list: (resource) => api.store.list(resource).map((stored) => stored.object),
  };
}

/**
 * Looks for fields that the kind does not have, or that are given twice: refused (400) when the client asked for
 * Strict, told as warnings for Warn. Returns the object without them, and with its definition's defaults.
 */
export function checkFields(api: Api, kind: ResourceKind, object: KubeObject, options: WriteOptions): KubeObject {
  const problem = kind.definition ? undefined : api.schema.decodeProblem(kind, object);
  if (problem !== undefined) throw new UnreadableObject(problem);
  const unknown = api.schema.unknownFields(kind, object, kind.definition);
  const full = (): KubeObject => {
    const known = api.schema.prune(kind, object, kind.definition);
    return api.schema.fillDefaults(kind, api.schema.asWritten(kind, known), kind.definition);
  };
  checkReading(kind, unknown, options);
  return unknown.length > 0 || kind.definition ? full() : api.schema.asWritten(kind, object);
}

function refOf(kind: ResourceKind, object: KubeObject): ObjectRef {
  const { namespace = "", name } = object.metadata;
  return { group: kind.group, version: kind.version, resource: kind.resource, kind: kind.kind, namespace, name };
}

/** Throws 422 when the object breaks its schema, its kind's own rules, or a rule of the lab. */
export function checkRules(
  api: Api,
  kind: ResourceKind,
  operation: "CREATE" | "UPDATE",
  object: KubeObject,
  old: KubeObject | undefined,
  subresource = "",
): void {
  // These set fields that no update of the object itself may change.
  const fixed =
    old && subresource !== "binding" && subresource !== EPHEMERAL_CONTAINERS.name
      ? api.schema.validateUpdate(kind, object, old)
      : [];
  const errors: FieldError[] = [
    ...api.schema.validate(kind, object, kind.definition, old),
    ...fixed,
    ...(kind.strategy.validate?.(object, old) ?? []),
  ];
  if (errors.length > 0) throw invalid(kind, object.metadata.name, errors);
  admit(api, kind, operation, object, old);
}

/** Asks the hooks. Throws 422 with what they say. */
export function admit(
  api: Api,
  kind: ResourceKind,
  operation: "CREATE" | "UPDATE" | "DELETE",
  object: KubeObject,
  old: KubeObject | undefined,
): void {
  const ref = refOf(kind, object);
  const errors = api.admission.flatMap((hook) => hook(operation, ref, object, old) ?? []);
  if (errors.length > 0) throw invalid(kind, object.metadata.name, errors);
}

/** What the user should know of the object that was accepted. */
export function adviceOn(api: Api, kind: ResourceKind, object: KubeObject): string[] {
  const own = kind.strategy.advise?.(object) ?? [];
  return [...own, ...api.advice.flatMap((hook) => hook(refOf(kind, object), object))];
}
