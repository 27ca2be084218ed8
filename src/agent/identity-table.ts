import type { Labels } from "../model/label.ts";
import { sameLabels } from "./identity-allocator.ts";

/** What is told about each identity that comes and goes: the policy engine's selector cache. */
export interface IdentityObserver {
  upsertIdentity(id: number, labels: Labels): void;
  removeIdentity(id: number): void;
}

/**
 * Every security identity that this node knows, with its labels. One that disappeared stays until no address refers to
 * it any more: its entries in the policy maps must outlive its last packet.
 */
export class IdentityTable {
  private readonly observer: IdentityObserver;
  private readonly labels = new Map<number, Labels>();
  private readonly gone = new Set<number>();

  constructor(observer: IdentityObserver) {
    this.observer = observer;
  }

  has(id: number): boolean {
    return this.labels.has(id);
  }

  labelsOf(id: number): Labels | undefined {
    return this.labels.get(id);
  }

  /** All, in ascending order. */
  all(): readonly (readonly [number, Labels])[] {
    return [...this.labels].sort(([a], [b]) => a - b);
  }

  get size(): number {
    return this.labels.size;
  }

  /** True when it is new or its labels changed. */
  learn(id: number, labels: Labels): boolean {
    this.gone.delete(id);
    const known = this.labels.get(id);
    if (known !== undefined && sameLabels(known, labels)) return false;
    this.labels.set(id, labels);
    this.observer.upsertIdentity(id, labels);
    return true;
  }

  /** It is gone from its source; `retire` removes it when it is unused. */
  forget(id: number): void {
    if (this.labels.has(id)) this.gone.add(id);
  }

  /** Removes what is gone and unused; true when there was any. */
  retire(isUsed: (id: number) => boolean): boolean {
    let removed = false;
    for (const id of this.gone) {
      if (isUsed(id)) continue;
      this.gone.delete(id);
      this.labels.delete(id);
      this.observer.removeIdentity(id);
      removed = true;
    }
    return removed;
  }
}
