import type { KubeObject, ResourceRef } from "../../kube/client/index.ts";

export interface Entry {
  readonly ref: ResourceRef;
  readonly object: KubeObject;
}

/** Who depends on whom, over all resources that are watched. Objects are known by their uid. */
export class OwnerGraph {
  readonly #entries = new Map<string, Entry>();
  readonly #dependents = new Map<string, Set<string>>();

  /** The newest state of an object. */
  put(ref: ResourceRef, object: KubeObject): void {
    const uid = object.metadata.uid ?? "";
    this.remove(uid);
    this.#entries.set(uid, { ref, object });
    for (const owner of object.metadata.ownerReferences ?? []) {
      const known = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, known.add(uid));
    }
  }

  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    this.#entries.delete(uid);
    for (const owner of entry.object.metadata.ownerReferences ?? []) {
      const known = this.#dependents.get(owner.uid);
      known?.delete(uid);
      if (known?.size === 0) this.#dependents.delete(owner.uid);
    }
  }

  get(uid: string): Entry | undefined {
    return this.#entries.get(uid);
  }

  /** The objects that name this one as an owner. */
  dependentsOf(uid: string): Entry[] {
    const uids = this.#dependents.get(uid) ?? new Set<string>();
    return [...uids].flatMap((dependent) => this.#entries.get(dependent) ?? []);
  }
}
