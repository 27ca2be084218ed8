import type { Datapath, IpcacheEntry } from "../datapath/port.ts";
import type { Endpoint } from "./endpoint.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";
import type { Regeneration } from "./regeneration.ts";

export interface ReconcilerParts {
  readonly datapath: Pick<Datapath, "upsertIpcache" | "deleteIpcache" | "listIpcache">;
  readonly sources: IpcacheSources;
  readonly identities: IdentityTable;
  readonly regeneration: Regeneration;
  /** All endpoints; those that the datapath does not have are left out. */
  readonly endpoints: () => Iterable<Endpoint>;
  /** Does what else follows from the inputs, before the endpoints are regenerated; true when that changed identities. */
  readonly prepare: () => boolean;
  /** Brings the node's own policy into the kernel. Throws when that fails. */
  readonly updateHost: () => void;
  /** Tells the kernel of the services and routes that `prepare` found. Throws when it does not take them. */
  readonly writeDerived: () => void;
  /** Is told of each change of the kernel's ipcache. */
  readonly ipcacheChanged: (prefix: string, entry: IpcacheEntry | undefined, old: IpcacheEntry | undefined) => void;
  /** Everything that was due was done, or is `unfinished`. */
  readonly passed: () => void;
  readonly failed: (endpoint: Endpoint, error: Error) => void;
  /** The kernel did not take something. What it had stays; `tryAgain` does the rest. */
  readonly unfinished: (error: Error) => void;
}

function sameEntry(a: IpcacheEntry | undefined, b: IpcacheEntry | undefined): boolean {
  return a?.identity === b?.identity && a?.tunnel === b?.tunnel;
}

/**
 * Carries changed inputs into the kernel, in the one order that never opens: addresses lose their identity first, then
 * every policy learns the new identities and rules, and only then addresses get an identity. Runs once for all events of
 * one turn of the loop, and not before `open` says that the inputs are complete: until then the kernel stays as it is.
 */
export class Reconciler {
  private readonly parts: ReconcilerParts;
  private readonly applied: Map<string, IpcacheEntry>;
  private readonly uses = new Map<number, number>();
  /** Prefixes that wait for their identity to become known. */
  private readonly waiting = new Set<string>();
  private readonly dirty = new Set<Endpoint>();
  private allDirty = false;
  /** Prefixes that the kernel did not take, and why the last of them. */
  private readonly refused = new Set<string>();
  private failure: Error | undefined;
  private scheduled = false;
  private isOpen = false;

  constructor(parts: ReconcilerParts) {
    this.parts = parts;
    this.applied = new Map(parts.datapath.listIpcache());
    for (const [prefix, entry] of this.applied) {
      this.count(entry.identity, 1);
      parts.sources.touch(prefix);
    }
  }

  /** The kernel's ipcache. */
  get ipcache(): ReadonlyMap<string, IpcacheEntry> {
    return this.applied;
  }

  /** The inputs have synced: from now on the kernel follows them. */
  open(): void {
    this.isOpen = true;
    this.allDirty = true;
    this.flush();
  }

  get opened(): boolean {
    return this.isOpen;
  }

  regenerateAll(): void {
    this.allDirty = true;
    this.schedule();
  }

  regenerate(endpoint: Endpoint): void {
    this.dirty.add(endpoint);
    this.schedule();
  }

  /** Something changed that `prepare` or the ipcache has to look at. */
  schedule(): void {
    if (this.scheduled || !this.isOpen) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  /** Does everything that is due, now. Does nothing before `open`. Never throws: what the kernel does not take is `unfinished`. */
  flush(): void {
    this.pass();
    if (this.failure !== undefined) this.parts.unfinished(this.failure);
  }

  /** The same, for who is told of `unfinished`. Throws when the kernel still does not take something. */
  tryAgain(): void {
    this.pass();
    if (this.failure !== undefined) throw this.failure;
  }

  private pass(): void {
    if (!this.isOpen) return;
    this.failure = undefined;
    if (this.parts.prepare()) this.allDirty = true;
    this.attempt(() => this.parts.writeDerived());
    const prefixes = this.changedPrefixes();
    this.withdraw(prefixes);
    this.regenerateDirty();
    this.attempt(() => this.parts.updateHost());
    this.grant(prefixes);
    if (this.parts.identities.retire((id) => (this.uses.get(id) ?? 0) > 0)) {
      this.allDirty = true;
      this.regenerateDirty();
    }
    this.parts.passed();
  }

  private attempt(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.failure = error as Error;
      return false;
    }
  }

  /** False when the kernel did not take it: the prefix stays as it was, and its identity in the policies. */
  private write(prefix: string, step: () => void): boolean {
    const isTaken = this.attempt(step);
    if (isTaken) this.refused.delete(prefix);
    else this.refused.add(prefix);
    return isTaken;
  }

  private changedPrefixes(): readonly string[] {
    const changed = new Set([...this.parts.sources.takeDirty(), ...this.waiting, ...this.refused]);
    return [...changed].filter((prefix) => {
      const wanted = this.usable(prefix);
      if (wanted === undefined && this.parts.sources.entryOf(prefix) !== undefined) this.waiting.add(prefix);
      else this.waiting.delete(prefix);
      return !sameEntry(wanted, this.applied.get(prefix));
    });
  }

  /** The entry that the prefix should have, if its identity is in the policies. */
  private usable(prefix: string): IpcacheEntry | undefined {
    const entry = this.parts.sources.entryOf(prefix);
    return entry !== undefined && this.parts.identities.has(entry.identity) ? entry : undefined;
  }

  private withdraw(prefixes: readonly string[]): void {
    for (const prefix of prefixes) {
      const old = this.applied.get(prefix);
      if (old === undefined || this.usable(prefix) !== undefined) continue;
      if (!this.write(prefix, () => this.parts.datapath.deleteIpcache(prefix))) continue;
      this.applied.delete(prefix);
      this.count(old.identity, -1);
      this.parts.ipcacheChanged(prefix, undefined, old);
    }
  }

  private grant(prefixes: readonly string[]): void {
    for (const prefix of prefixes) {
      const entry = this.usable(prefix);
      if (entry === undefined) continue;
      const old = this.applied.get(prefix);
      if (!this.write(prefix, () => this.parts.datapath.upsertIpcache(prefix, entry))) continue;
      this.applied.set(prefix, entry);
      this.count(entry.identity, 1);
      if (old !== undefined) this.count(old.identity, -1);
      this.parts.ipcacheChanged(prefix, entry, old);
    }
  }

  private regenerateDirty(): void {
    const due = this.allDirty ? [...this.parts.endpoints()] : [...this.dirty];
    this.allDirty = false;
    this.dirty.clear();
    const standing = due.filter(({ attached, identity }) => attached && identity !== 0);
    if (standing.length === 0) return;
    this.parts.regeneration.regenerateAll(standing).forEach((done, index) => {
      done.catch((error: Error) => this.parts.failed(standing[index]!, error));
    });
  }

  private count(identity: number, by: number): void {
    this.uses.set(identity, (this.uses.get(identity) ?? 0) + by);
  }
}
