/** What `kubectl apply` without `--server-side` left behind, so that users can go over to server-side apply. */
import { type Fields, groupVersion, isFields, type KubeObject } from "../../object.ts";
import type { ResourceKind } from "../kind.ts";
import { type FieldSet, fieldSet, sameAt, textOf } from "./field-set.ts";

/** The manager as which kubectl applies server-side. */
export const KUBECTL = "kubectl";
/** The manager as which it applies without the server. */
export const CLIENT_SIDE_APPLY = "kubectl-client-side-apply";
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

/** The fields that client-side apply set and nobody changed since, its annotation among them; none without that. */
export function clientSideApplied(kind: ResourceKind, live: KubeObject): FieldSet {
  const applied = lastApplied(kind, live);
  if (applied === undefined) return new Map();
  const fields = [...fieldSet(kind, applied)].filter(([, path]) => sameAt(kind, live, applied, path));
  // kubectl knows by the annotation's manager whose fields it has to take over.
  const annotation = ["f:metadata", "f:annotations", `f:${ANNOTATION}`];
  return new Map(fields).set(textOf(annotation), annotation);
}

/** After a server-side apply: the annotation, where there is one, says what was applied. Changes `object`. */
export function renewLastApplied(object: KubeObject, wanted: KubeObject): void {
  const annotations = object.metadata.annotations;
  if (annotations?.[ANNOTATION] === undefined) return;
  const { [ANNOTATION]: _, ...others } = wanted.metadata.annotations ?? {};
  const metadata = { ...wanted.metadata, annotations: others };
  object.metadata.annotations = { ...annotations, [ANNOTATION]: `${JSON.stringify({ ...wanted, metadata })}\n` };
}
