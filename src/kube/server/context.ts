import type { KubeObject } from "../object.ts";
import type { TokenAuthority } from "../pki/token.ts";
import type { FieldError } from "../status.ts";
import type { Store } from "../storage/store.ts";
import type { ResourceKind } from "./kind.ts";
import type { Registry } from "./registry.ts";
import type { Repetition } from "./repeated-keys.ts";
import type { SchemaPort } from "./schema-port.ts";
import type { ServiceRange } from "./service-range.ts";

/** Who asks. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What else is known of them, by key: of those whom somebody stands in for. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Where an object is, for admission. */
export interface ObjectRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * A rule of the lab beyond the schemas: what it returns refuses the request with 422 and one cause a field.
 * It sees the object as it would be stored; `old` is what it replaces.
 */
export type AdmissionHook = (
  operation: "CREATE" | "UPDATE" | "DELETE",
  ref: ObjectRef,
  object: KubeObject,
  old: KubeObject | undefined,
) => readonly FieldError[] | undefined;

/** What the user should know of an object that is accepted: each text is a warning of the answer. */
export type AdviceHook = (ref: ObjectRef, object: KubeObject) => readonly string[];

/** How the server reaches kubelets. */
interface KubeletCredentials {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What every verb needs: the parts of one running API server. */
export interface Api {
  readonly store: Store;
  readonly registry: Registry;
  readonly schema: SchemaPort;
  readonly admission: readonly AdmissionHook[];
  readonly advice: readonly AdviceHook[];
  readonly tokens: TokenAuthority;
  readonly kubelet: KubeletCredentials;
  readonly serviceRanges: readonly ServiceRange[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What a write request says beside its object. */
export interface WriteOptions {
  /** Who writes; the server itself when absent. */
  readonly user?: User;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
  /** Keys that are twice in the request's body. */
  readonly repeated?: Repetition;
  /** Tells the user what was read otherwise than it was meant, whatever the answer will be. */
  readonly warn?: (text: string) => void;
}

/** A write's result: the object in the version asked for, and warnings for the user. */
export interface Outcome {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** The object as the kind's version shows it. */
export function fromStored(kind: ResourceKind, object: KubeObject): KubeObject {
  return kind.convert ? kind.convert.fromStored(object) : object;
}
