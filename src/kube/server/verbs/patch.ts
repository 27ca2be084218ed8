import { applyPatch, type Operation, Pointer } from "rfc6902";
import { copyJson, type Fields, isFields, type KubeObject } from "../../object.ts";
import { badRequest, invalid, KubeError, unsupportedMediaType } from "../../status.ts";
import type { Api, Outcome, WriteOptions } from "../context.ts";
import { incomingObject } from "../incoming.ts";
import type { ResourceKind } from "../kind.ts";
import { applyConfiguration } from "../patch/apply.ts";
import { blankObject, readManagers } from "../patch/managed-fields.ts";
import { mergePatch } from "../patch/merge-patch.ts";
import { strategicMerge } from "../patch/strategic-merge.ts";
import { checkConfiguration } from "../patch/typed.ts";
import { UnreadableObject } from "../preparation.ts";
import { NO_REPETITION } from "../repeated-keys.ts";
import { createObject } from "./create.ts";
import { replaceObject, type Target } from "./replace.ts";

const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_PATCH = "application/strategic-merge-patch+json";
export const APPLY_PATCH = "application/apply-patch+yaml";

/** All patch formats. */
export const PATCHES: ReadonlySet<string> = new Set([JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]);

/** The patch formats that a kind takes; strategic merge needs the built-in kinds' tables. */
export function patchTypes(kind: ResourceKind): readonly string[] {
  return kind.definition
    ? [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
    : [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH];
}

function misread(patch: unknown, wanted: string): KubeError {
  const found = Array.isArray(patch) ? "array" : typeof patch === "boolean" ? "bool" : typeof patch;
  return badRequest(`error decoding patch: json: cannot unmarshal ${found} into Go value of type ${wanted}`);
}

/** Applies a JSON patch, merge patch or strategic merge patch to a copy of an object. Throws 400, 415, 422. */
export function patched(kind: ResourceKind, type: string, patch: unknown, copy: KubeObject): KubeObject {
  if (type === JSON_PATCH) return jsonPatched(patch, copy);
  if (!isFields(patch)) throw misread(patch, "map[string]interface {}");
  if (type === MERGE_PATCH) return mergePatch(copy, patch) as KubeObject;
  return strategicMerge(kind, copy, patch as Fields) as KubeObject;
}

/** As Kubernetes' own library reads it: replacing a field that is not there sets it, copying one copies nothing. */
function asRead(operation: Operation, copy: KubeObject): Operation {
  if (!isFields(operation) || (operation.op !== "replace" && operation.op !== "copy")) return operation;
  const pointer = operation.op === "copy" ? operation.from : operation.path;
  if (typeof pointer !== "string") return operation;
  const { parent, value } = Pointer.fromJSON(pointer).evaluate(copy);
  if (value !== undefined || !isFields(parent)) return operation;
  return { op: "add", path: operation.path, value: operation.op === "copy" ? null : operation.value };
}

function follow(operation: Operation, copy: KubeObject): boolean {
  try {
    return applyPatch(copy, [asRead(operation, copy)]).every((error) => error === null);
  } catch {
    return false;
  }
}

function jsonPatched(patch: unknown, copy: KubeObject): KubeObject {
  if (!Array.isArray(patch)) throw misread(patch, "[]handlers.jsonPatchOp");
  const isFollowed = (patch as Operation[]).every((operation) => follow(operation, copy));
  // Kubernetes says no more of what failed.
  if (!isFollowed)
    throw new KubeError(422, "Invalid", "the server rejected our request due to an error in our request", {});
  return copy;
}

/** PATCH in any format but server-side apply. */
export function patchObject(api: Api, target: Target, type: string, patch: unknown, options: WriteOptions): Outcome {
  if (!patchTypes(target.kind).includes(type)) throw unsupportedMediaType(patchTypes(target.kind));
  try {
    return replaceObject(api, target, options, (copy) => patched(target.kind, type, patch, copy));
  } catch (error) {
    if (!(error instanceof UnreadableObject)) throw error;
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(patch))}: ${error.why}`;
    throw invalid({ group: "", resource: "", kind: "" }, "", [
      { field: "patch", reason: "FieldValueInvalid", message },
    ]);
  }
}

/** What is applied is read as YAML first. Throws 400 for keys that are there twice, asked to be strict. */
function refuseRepeated({ fieldValidation, repeated = NO_REPETITION }: WriteOptions): void {
  if (fieldValidation !== "Strict" || repeated.refused.length === 0) return;
  throw badRequest(`error strict decoding YAML: error converting YAML to JSON: ${repeated.refused.join(", ")}`);
}

/** Server-side apply: creates what is not there. Throws 400 without a field manager, 409 on conflicts. */
export function applyObject(
  api: Api,
  target: Target,
  body: unknown,
  options: WriteOptions & { readonly force: boolean },
): Outcome & { readonly created: boolean } {
  const { kind, namespace, name, subresource } = target;
  if (options.fieldManager === "") {
    throw invalid({ group: "meta.k8s.io", resource: "patchoptions", kind: "PatchOptions" }, "", [
      {
        field: "fieldManager",
        reason: "FieldValueRequired",
        message: "Required value: is required for apply patch",
      },
    ]);
  }
  refuseRepeated(options);
  const wanted = incomingObject(body, kind, namespace, name);
  if (wanted.metadata.managedFields) throw badRequest("metadata.managedFields must be nil");
  checkConfiguration(kind, wanted);
  const how = { manager: options.fieldManager, force: options.force, subresource, now: api.now() };
  if (subresource === "" && !api.store.get(kind.storage, namespace, name)) {
    const first = applyConfiguration(kind, blankObject(kind), copyJson(wanted), how);
    const owners = readManagers(first);
    delete first.metadata.managedFields;
    return { ...createObject(api, kind, namespace, first, options, name, owners), created: true };
  }
  const change = (copy: KubeObject) => applyConfiguration(kind, copy, copyJson(wanted), how);
  return { ...replaceObject(api, target, options, change, "as-changed"), created: false };
}
