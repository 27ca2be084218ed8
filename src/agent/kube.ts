import type { KubeObject } from "../kube/object.ts";
import type { ResourceRef } from "../kube/resources.ts";

export type { KubeObject } from "../kube/object.ts";

/** The part of the Kubernetes client that the agent uses. */
export interface KubeClient {
  get(ref: ResourceRef, name: string, namespace?: string): Promise<KubeObject>;
  create(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  update(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  updateStatus(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  delete(
    ref: ResourceRef,
    name: string,
    options?: { namespace?: string; preconditions?: { uid?: string } },
  ): Promise<unknown>;
}

/** The cached, watched list of one resource. */
export interface Informer {
  start(): Promise<void>;
  stop(): void;
  get(name: string, namespace?: string): KubeObject | undefined;
  list(): readonly KubeObject[];
  on(handler: {
    onAdd(object: KubeObject): void;
    onUpdate(old: KubeObject, object: KubeObject): void;
    onDelete(object: KubeObject): void;
  }): void;
  readonly hasSynced: boolean;
  /** False while the server cannot be followed: what is read may be old. */
  readonly isConnected: boolean;
}

/** `namespace/name`, or the name of a cluster-wide object. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The reason of a failed API call (`NotFound`, `AlreadyExists`, ...), or undefined when it is no answer of the API. */
export function reasonOf(error: unknown): string | undefined {
  const reason = (error as { reason?: unknown } | undefined)?.reason;
  return typeof reason === "string" ? reason : undefined;
}
