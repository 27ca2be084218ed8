/** What `kubectl apply` without `--server-side` left behind, so that users can go over to server-side apply. */
import { type Fields, groupVersion, isFields, type KubeObject } from "../../object.ts";
import type { ResourceKind } from "../kind.ts";
import { compareFields, difference, type FieldSet, fieldSet } from "./field-set.ts";
import { rootOf } from "./merge-schema.ts";

/** The manager as which kubectl applies server-side. */
export const KUBECTL = "kubectl";
const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

function lastApplied(kind: ResourceKind, live: KubeObject): Fields | undefined {
  try {
    const value: unknown = JSON.parse(live.metadata.annotations?.[ANNOTATION] ?? "");
    const isOfKind = isFields(value) && value.apiVersion === groupVersion(kind.group, kind.version);
    return isOfKind ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The fields that client-side apply set and nobody changed since; none without its annotation. */
export function clientSideApplied(kind: ResourceKind, live: KubeObject): FieldSet {
  const applied = lastApplied(kind, live);
  if (applied === undefined) return new Map();
  const root = rootOf(kind);
  const { modified, removed } = compareFields(root, applied, live);
  return difference(fieldSet(root, applied), new Map([...modified, ...removed]));
}

/** After a server-side apply: the annotation, where there is one, says what was applied. Changes `object`. */
export function renewLastApplied(object: KubeObject, wanted: KubeObject): void {
  const annotations = object.metadata.annotations;
  if (annotations?.[ANNOTATION] === undefined) return;
  const { [ANNOTATION]: _, ...others } = wanted.metadata.annotations ?? {};
  const metadata = { ...wanted.metadata, annotations: others };
  object.metadata.annotations = { ...annotations, [ANNOTATION]: `${JSON.stringify({ ...wanted, metadata })}\n` };
}
