import type { ConnectionRow } from "../datapath/port.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { Labels } from "../model/label.ts";
import type { FqdnSelector } from "../model/selector.ts";
import { compileNamePatterns, dnsPatternProblem, isEveryName, type NameMatcher } from "../policy/dns-pattern.ts";
import { absolute } from "../policy/dns-rule.ts";
import { type DnsLookupFilter, type DnsLookupModel, dnsLookups } from "../policy/fqdn/dns-lookups.ts";
import { FqdnCache, type FqdnLimits } from "../policy/fqdn/fqdn-cache.ts";
import { FqdnLabels } from "../policy/fqdn/fqdn-labels.ts";
import { formatFqdnState, readDnsObservation, readFqdnState } from "../policy/fqdn/fqdn-state.ts";
import type { NameFiles } from "./name-files.ts";

export interface FqdnNamesParts {
  readonly files: NameFiles;
  /** The endpoint of this node that has the address. */
  readonly endpointAt: (address: string) => number | undefined;
  readonly isEndpoint: (id: number) => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** As of now; absent = the defaults. */
  readonly limits?: (() => FqdnLimits) | undefined;
}

/** So many lines are added to the file before it is written as a whole. */
const MAX_ADDED = 1000;

/** What this node's endpoints learned from DNS, and the labels that addresses have for it. */
export class FqdnNames {
  private readonly parts: FqdnNamesParts;
  private readonly cache = new FqdnCache();
  private readonly labels = new FqdnLabels();
  /** Endpoints of which it was told that they can learn nothing more. */
  private readonly toldFull = new Set<number>();
  private added = 0;
  private isStale = false;
  private relabeled: (addresses: readonly string[]) => void = () => undefined;
  private forgotten: () => void = () => undefined;

  /** Takes up what an earlier agent learned. */
  constructor(parts: FqdnNamesParts) {
    this.parts = parts;
    for (const name of this.restore()) this.labels.update(name, this.cache.addressesOf(name));
  }

  /** The listener puts the labels of these addresses in force before it returns. */
  onRelabeled(listener: (addresses: readonly string[]) => void): void {
    this.relabeled = listener;
  }

  /** The listener is called when names may have lost addresses before their time: who told of them takes them for known. */
  onForgotten(listener: () => void): void {
    this.forgotten = listener;
  }

  /** Takes in what clients are about to learn. When this returns, policies know it. */
  learn(observations: readonly DnsObservation[]): void {
    this.followLimits();
    const changed: string[] = [];
    for (const observation of observations) {
      // The proxy may still tell of one that is gone: nobody would take away what it learned.
      if (!this.parts.isEndpoint(observation.endpointId)) continue;
      const names = this.record(observation);
      changed.push(...names);
      // What only lasts longer is in the next whole; after a crash it is a zombie and lives as long as its connections.
      if (names.length > 0) this.keep(observation);
      else this.isStale = true;
    }
    this.follow(changed);
  }

  /** The selectors of all policies: the labels that `entries` has follow from them. */
  setSelectors(selectors: Iterable<FqdnSelector>): void {
    this.labels.setSelectors(selectors);
  }

  /** Every address that has labels, as the prefix of it alone. */
  entries(): Iterable<readonly [prefix: string, labels: Labels]> {
    return this.labels.entries();
  }

  labelsOf(address: string): Labels {
    return this.labels.labelsOf(address);
  }

  /** The names by which flows of an endpoint show an address, without their last dot. */
  namesOf(endpointId: number, address: string): readonly string[] {
    return this.cache.namesOf(endpointId, address).map((name) => name.slice(0, -1));
  }

  /** Nobody has learned anything: it does not matter what is in use. */
  get isEmpty(): boolean {
    return this.cache.isEmpty;
  }

  /** A round over the connections began at `startMs`, and the next is expected at `nextMs`: what is in use is not given up. */
  connectionsSeen(connections: readonly ConnectionRow[], startMs: number, nextMs: number): void {
    const inUse = connections.flatMap(({ scope, source, destination }): (readonly [number, string])[] => {
      const id = scope === "egress" || scope === "proxy" ? this.parts.endpointAt(source) : undefined;
      return id === undefined ? [] : [[id, destination]];
    });
    this.cache.connectionsSeen(inUse, startMs, nextMs);
  }

  /** Gives up what ran out and nobody uses any more, and writes what changed; returns how many names lost addresses. Once a minute. */
  collect(): number {
    this.followLimits();
    const changed = this.cache.collect(this.parts.now());
    this.follow(changed);
    if (this.cache.gaveUpEarly) this.forgotten();
    this.close();
    return changed.length;
  }

  /** Writes what an agent that is killed would leave as zombies. */
  close(): void {
    if (this.isStale || this.added > 0) this.save();
  }

  removeEndpoint(id: number): void {
    this.follow(this.cache.removeEndpoint(id));
    this.toldFull.delete(id);
    this.isStale = true;
  }

  /** Endpoints that went while no agent ran take their names along. */
  keepOnly(isThere: (endpointId: number) => boolean): void {
    for (const { id } of [...this.cache.list()]) if (!isThere(id)) this.removeEndpoint(id);
  }

  /** `pattern` must have no `namePatternProblem`. */
  list({
    pattern,
    ...filter
  }: Omit<DnsLookupFilter, "matches"> & { readonly pattern: string }): readonly DnsLookupModel[] {
    return dnsLookups(this.cache, { ...filter, matches: matcherOf(pattern) });
  }

  /** Forgets the names at once, connected or not, and returns how many there were. `pattern` as for `list`. */
  clean(pattern: string): number {
    const matches = matcherOf(pattern);
    const count = [...this.cache.names()].filter(matches).length;
    this.follow(this.cache.forget(matches, this.parts.now() + 1));
    if (count > 0) this.forgotten();
    this.save();
    return count;
  }

  private record({ endpointId, name, addresses, ttlSeconds, timeMs }: DnsObservation): readonly string[] {
    const changed = this.cache.record(endpointId, { name, addresses, ttl: ttlSeconds }, timeMs);
    const isFull = this.cache.isFull(endpointId);
    if (!isFull) this.toldFull.delete(endpointId);
    else if (!this.toldFull.has(endpointId)) {
      this.toldFull.add(endpointId);
      this.parts.log(
        `endpoint ${endpointId} knows as many addresses as it may: new ones are in force when older ones ran out`,
      );
    }
    return changed;
  }

  private followLimits(): void {
    this.cache.setLimits(this.parts.limits?.() ?? {});
  }

  private follow(names: Iterable<string>): void {
    const changed = new Set<string>();
    for (const name of names) {
      for (const address of this.labels.update(name, this.cache.addressesOf(name))) changed.add(address);
    }
    if (changed.size > 0) this.relabeled([...changed]);
  }

  private keep(observation: DnsObservation): void {
    if (++this.added > MAX_ADDED) {
      this.save();
      return;
    }
    this.write(() => this.parts.files.add(JSON.stringify(observation)));
  }

  private save(): void {
    this.write(() => {
      this.parts.files.replace(formatFqdnState(this.cache));
      this.added = 0;
      this.isStale = false;
    });
  }

  private write(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.parts.log(`names are in force but were not kept for a restart: ${(error as Error).message}`);
    }
  }

  /** Returns the names that have addresses. */
  private restore(): Iterable<string> {
    const { files, log } = this.parts;
    const whole = files.whole();
    if (whole !== undefined) {
      const { endpoints, errors } = readFqdnState(whole);
      for (const error of errors) log(`names of an earlier agent: ${error}`);
      for (const endpoint of endpoints) this.cache.restore(endpoint);
    }
    for (const line of files.added()) {
      const observation = readDnsObservation(line);
      // A crash in the middle of a line leaves a half: its client never got the answer.
      if (observation !== undefined) this.record(observation);
      this.added++;
    }
    return this.cache.names();
  }
}

/** What is wrong with a `matchpattern`; undefined = nothing. */
export function namePatternProblem(pattern: string): string | undefined {
  return isEveryName(pattern) ? undefined : dnsPatternProblem(pattern);
}

/** Names are absolute here. */
function matcherOf(pattern: string): NameMatcher {
  if (isEveryName(pattern)) return () => true;
  return compileNamePatterns([absolute(pattern.toLowerCase())]);
}
