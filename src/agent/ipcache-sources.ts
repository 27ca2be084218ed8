import type { IpcacheEntry } from "../datapath/port.ts";
import { addressPrefix } from "../model/cidr.ts";

/** A pod's addresses as a CiliumEndpoint (or this agent, for its own pods) tells them. */
export interface AddressClaim {
  readonly addresses: readonly string[];
  readonly identity: number;
  /** InternalIP of the pod's node. */
  readonly nodeAddress: string;
  /** Sorts claims on one address: the later one is true. RFC 3339. */
  readonly createdAt: string;
}

/** Who says so besides pods: nodes are believed before pods, CIDRs of policies after them, the base last. */
export type FixedSource = "node" | "cidr" | "base";

/** Everything that gives a prefix an identity. */
interface Sources {
  readonly claims: Map<string, AddressClaim>;
  readonly fixed: Map<FixedSource, IpcacheEntry>;
}

function isLater(a: readonly [string, AddressClaim], b: readonly [string, AddressClaim]): boolean {
  return a[1].createdAt === b[1].createdAt ? a[0] > b[0] : a[1].createdAt > b[1].createdAt;
}

/**
 * Which identity each prefix should have, from all sources, and which prefixes changed since they were last asked for.
 * Pure: it knows nothing of the kernel's map. Order of belief on one prefix: nodes, this node's own pods, the
 * youngest claim of a CiliumEndpoint, CIDRs of policies, the base.
 */
export class IpcacheSources {
  private readonly byPrefix = new Map<string, Sources>();
  private readonly claimed = new Map<string, readonly string[]>();
  private dirty = new Set<string>();
  private readonly nodeAddress: string;

  constructor(nodeAddress: string) {
    this.nodeAddress = nodeAddress;
  }

  /** `owner` is the CiliumEndpoint's `namespace/name`, or any other unique name. Replaces its earlier claim. */
  claim(owner: string, claim: AddressClaim | undefined): void {
    const prefixes = claim?.addresses.map(addressPrefix) ?? [];
    for (const earlier of this.claimed.get(owner) ?? []) if (!prefixes.includes(earlier)) this.withdraw(owner, earlier);
    this.claimed.delete(owner);
    if (claim === undefined) return;
    this.claimed.set(owner, prefixes);
    for (const prefix of prefixes) {
      this.sourcesOf(prefix).claims.set(owner, claim);
      this.dirty.add(prefix);
    }
  }

  /** Undefined removes it. */
  setFixed(source: FixedSource, prefix: string, entry: IpcacheEntry | undefined): void {
    const sources = this.sourcesOf(prefix);
    if (entry === undefined) sources.fixed.delete(source);
    else sources.fixed.set(source, entry);
    this.dirty.add(prefix);
    this.dropIfEmpty(prefix, sources);
  }

  /** Marks a prefix as changed: after a restart the kernel's map has to be compared whole. */
  touch(prefix: string): void {
    this.dirty.add(prefix);
  }

  takeDirty(): ReadonlySet<string> {
    const taken = this.dirty;
    this.dirty = new Set();
    return taken;
  }

  entryOf(prefix: string): IpcacheEntry | undefined {
    const sources = this.byPrefix.get(prefix);
    if (sources === undefined) return undefined;
    return (
      sources.fixed.get("node") ?? this.podEntry(sources) ?? sources.fixed.get("cidr") ?? sources.fixed.get("base")
    );
  }

  private podEntry(sources: Sources): IpcacheEntry | undefined {
    const claim = this.believed(sources.claims);
    if (claim === undefined) return undefined;
    if (claim.nodeAddress === this.nodeAddress) return { identity: claim.identity };
    return { identity: claim.identity, tunnel: claim.nodeAddress };
  }

  private believed(claims: ReadonlyMap<string, AddressClaim>): AddressClaim | undefined {
    let best: readonly [string, AddressClaim] | undefined;
    for (const candidate of claims) {
      if (candidate[0].startsWith(OWN_CLAIM)) return candidate[1];
      if (best === undefined || isLater(candidate, best)) best = candidate;
    }
    return best?.[1];
  }

  private withdraw(owner: string, prefix: string): void {
    const sources = this.sourcesOf(prefix);
    sources.claims.delete(owner);
    this.dirty.add(prefix);
    this.dropIfEmpty(prefix, sources);
  }

  private sourcesOf(prefix: string): Sources {
    const known = this.byPrefix.get(prefix);
    if (known !== undefined) return known;
    const made: Sources = { claims: new Map(), fixed: new Map() };
    this.byPrefix.set(prefix, made);
    return made;
  }

  private dropIfEmpty(prefix: string, sources: Sources): void {
    if (sources.fixed.size === 0 && sources.claims.size === 0) this.byPrefix.delete(prefix);
  }
}

/** Owners of claims that this agent makes for its own endpoints begin with it. */
export const OWN_CLAIM = "endpoint:";
