import type { KubeObject } from "../object.ts";
import type { ResourceRef } from "../resources.ts";

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatchOptions extends ListOptions {
  /** Changes after this one are told. */
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
  /** Called when the server has taken the watch. */
  readonly onOpen?: () => void;
}

export interface PatchOptions {
  readonly namespace?: string;
  readonly type: "merge" | "json" | "strategic" | "apply";
  readonly subresource?: string;
  /** Required for `apply`. */
  readonly fieldManager?: string;
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly namespace?: string;
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

export interface ObjectList {
  readonly items: KubeObject[];
  readonly resourceVersion: string;
}

/** A connection to any Kubernetes API server. Every call throws KubeError for what the server refuses. */
export interface KubeClient {
  get(ref: ResourceRef, name: string, namespace?: string): Promise<KubeObject>;
  list(ref: ResourceRef, options?: ListOptions): Promise<ObjectList>;
  create(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  update(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  updateStatus(ref: ResourceRef, object: KubeObject): Promise<KubeObject>;
  patch(ref: ResourceRef, name: string, patch: unknown, options: PatchOptions): Promise<KubeObject>;
  /** The object while it stays (finalizers, grace), or the Status that says it is gone. */
  delete(ref: ResourceRef, name: string, options?: DeleteOptions): Promise<unknown>;
  /**
   * Changes in order. Ends when the server ends the stream; throws KubeError with code 410 when the revision is too
   * old, and the connection's own error when it breaks. Ends quietly when the signal aborts.
   */
  watch(ref: ResourceRef, options: WatchOptions): AsyncIterable<WatchEvent>;
  /** Any path with any method; a body is sent as JSON. */
  raw(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Ends idle connections; those in use end by themselves. */
  close(): void;
}
