import type { KubeObject } from "../object.ts";

/** A stored object with its wire text, made once a write and shared by every reader. */
export interface Stored {
  readonly object: KubeObject;
  readonly json: string;
  readonly revision: number;
}

/** One change of one resource. `old` is what was there before; a deletion's `stored` carries the revision of the deletion. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly stored: Stored;
  readonly old: Stored | undefined;
}

/** The history no longer reaches back to the revision asked for. */
export class HistoryGone extends Error {
  readonly oldest: number;
  constructor(asked: number, oldest: number) {
    super(`too old resource version: ${asked} (${oldest})`);
    this.oldest = oldest;
  }
}

/**
 * Objects by resource (`group/plural`), namespace ("" when cluster-wide) and name. Every call is synchronous, so a
 * caller that reads and then writes in one tick cannot lose a race; the revision grows by one a write and survives
 * restarts. A write is on disk, safe against the end of this process, before the call returns.
 */
export interface Store {
  /** The revision of the last write. */
  readonly revision: number;
  get(resource: string, namespace: string, name: string): Stored | undefined;
  /** In order of `namespace/name`, as etcd has it; all namespaces when none is given. */
  list(resource: string, namespace?: string): Stored[];
  /** Undefined when the name is taken. */
  create(resource: string, object: KubeObject): Stored | undefined;
  /** Undefined when the object is gone or its revision is not `expected`. */
  replace(resource: string, object: KubeObject, expected: number): Stored | undefined;
  /** What was deleted, with the deletion's revision; undefined when it is gone or its revision is not `expected`. */
  remove(resource: string, namespace: string, name: string, expected: number): Stored | undefined;
  /**
   * Calls back, in order, each change after `revision`: first those of the past, before this returns.
   * Throws HistoryGone when the past is no longer known, or the revision is not of this store. Returns the call that ends it.
   */
  watch(resource: string, revision: number, listener: (event: StoreEvent) => void): () => void;
  close(): void;
}
