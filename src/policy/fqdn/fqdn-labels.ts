import { addressPrefix } from "../../model/cidr.ts";
import { compareText, type Label, type Labels } from "../../model/label.ts";
import { type FqdnSelector, fqdnLabelKey } from "../../model/selector.ts";
import { hasNameCharacters, type NameMatcher } from "../dns-pattern.ts";
import { absolute, compileFqdn } from "../dns-rule.ts";

/** What a name stands for, and the keys of the selectors that select it. */
interface Named {
  readonly addresses: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
}

const NOTHING: Named = { addresses: new Set(), keys: new Set() };
const NO_LABELS: Labels = [];

/**
 * The `fqdn:` labels of addresses: an address has the label of every `toFQDNs` selector that selects one of its names (as
 * Cilium since 1.16). Selectors and names come and go in any order; each change says which addresses have other labels.
 */
export class FqdnLabels {
  // Selectors with the same label select the same names. What can be looked up is not tried.
  private readonly exact = new Map<string, Set<string>>();
  /** Keys `*.parent`, by the parent. */
  private readonly below = new Map<string, Set<string>>();
  private readonly patterns = new Map<string, NameMatcher>();
  private readonly selectors = new Map<string, FqdnSelector>();
  private readonly names = new Map<string, Named>();
  /** For each address, how many of its names give it each key. */
  private readonly counts = new Map<string, Map<string, number>>();
  private readonly labels = new Map<string, Labels>();

  /** Puts these selectors in the place of all earlier ones; returns the addresses whose labels changed. */
  setSelectors(selectors: Iterable<FqdnSelector>): readonly string[] {
    const wanted = new Map([...selectors].map((selector) => [fqdnLabelKey(selector), selector]));
    const gone = [...this.selectors.keys()].filter((key) => !wanted.has(key));
    const fresh = [...wanted].filter(([key]) => !this.selectors.has(key));
    if (gone.length === 0 && fresh.length === 0) return [];
    for (const key of gone) this.forget(key);
    const matchers = fresh.map(([key, selector]) => ({ key, matches: this.learn(key, selector) }));
    const changed = new Set<string>();
    for (const [name, named] of this.names) {
      const kept = [...named.keys].filter((key) => wanted.has(key));
      const found = matchers.filter(({ matches }) => matches(name)).map(({ key }) => key);
      if (kept.length === named.keys.size && found.length === 0) continue;
      this.replace(name, named, { ...named, keys: new Set([...kept, ...found]) }, changed);
    }
    return [...changed];
  }

  /**
   * The name now stands for exactly these addresses (none = it is forgotten); returns the addresses whose labels changed.
   * Names that differ are different, so that the caller writes each in one way.
   */
  update(name: string, addresses: Iterable<string>): readonly string[] {
    const old = this.names.get(name);
    const changed = new Set<string>();
    const named = { addresses: new Set(addresses), keys: old?.keys ?? this.keysOf(name) };
    this.replace(name, old ?? NOTHING, named, changed);
    return [...changed];
  }

  /** The labels of an address, sorted; none when no selector selects a name of it. */
  labelsOf(address: string): Labels {
    return this.labels.get(address) ?? NO_LABELS;
  }

  /** Every address that has labels, as the prefix of it alone. */
  *entries(): Iterable<readonly [prefix: string, labels: Labels]> {
    for (const [address, labels] of this.labels) yield [addressPrefix(address), labels];
  }

  private learn(key: string, selector: FqdnSelector): NameMatcher {
    this.selectors.set(key, selector);
    const matches = compileFqdn(selector);
    const place = this.placeOf(key);
    if (place === undefined) this.patterns.set(key, matches);
    else place.index.set(place.name, (place.index.get(place.name) ?? new Set()).add(key));
    return matches;
  }

  private forget(key: string): void {
    this.selectors.delete(key);
    const place = this.placeOf(key);
    if (place === undefined) {
      this.patterns.delete(key);
      return;
    }
    const sharing = place.index.get(place.name);
    sharing?.delete(key);
    if (sharing?.size === 0) place.index.delete(place.name);
  }

  /** Where a key is looked up; undefined for what has to be tried. */
  private placeOf(key: string): { readonly index: Map<string, Set<string>>; readonly name: string } | undefined {
    if (!key.includes("*")) return { index: this.exact, name: absolute(key) };
    const parent = /^\*\.([^*]+)$/.exec(key)?.[1];
    return parent === undefined ? undefined : { index: this.below, name: absolute(parent) };
  }

  private keysOf(name: string): ReadonlySet<string> {
    const whole = absolute(name);
    const keys = new Set(this.exact.get(whole));
    if (hasNameCharacters(whole))
      for (const key of this.below.get(whole.slice(whole.indexOf(".") + 1)) ?? []) keys.add(key);
    for (const [key, matches] of this.patterns) if (matches(name)) keys.add(key);
    return keys;
  }

  private replace(name: string, old: Named, fresh: Named, changed: Set<string>): void {
    if (fresh.addresses.size === 0) this.names.delete(name);
    else this.names.set(name, fresh);
    const touched = new Set<string>();
    for (const address of fresh.addresses) {
      const had = old.addresses.has(address) ? old.keys : NOTHING.keys;
      for (const key of fresh.keys) if (!had.has(key)) this.count(address, key, 1, touched);
    }
    for (const address of old.addresses) {
      const has = fresh.addresses.has(address) ? fresh.keys : NOTHING.keys;
      for (const key of old.keys) if (!has.has(key)) this.count(address, key, -1, touched);
    }
    for (const address of touched) {
      this.relabel(address);
      changed.add(address);
    }
  }

  private count(address: string, key: string, by: 1 | -1, touched: Set<string>): void {
    const counts = this.counts.get(address) ?? new Map<string, number>();
    this.counts.set(address, counts);
    const count = (counts.get(key) ?? 0) + by;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
    if (counts.size === 0) this.counts.delete(address);
    if (count === 0 || (count === 1 && by === 1)) touched.add(address);
  }

  private relabel(address: string): void {
    const keys = [...(this.counts.get(address)?.keys() ?? [])].sort(compareText);
    const labels = keys.map((key): Label => ({ source: "fqdn", key, value: "" }));
    if (labels.length === 0) this.labels.delete(address);
    else this.labels.set(address, labels);
  }
}
