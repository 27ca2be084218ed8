import { cidrOfLabels, hasWorldLabel } from "../model/cidr-label.ts";
import type { Label, Labels } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { type Requirement, type Selector, selects } from "../model/selector.ts";

interface Selection {
  readonly selector: Selector;
  /** Where the selector is filed; undefined = every identity is tried. */
  readonly bucket: string | undefined;
  readonly identities: Set<number>;
}

/** Filing word of all CIDR selectors and of all identities outside the cluster. */
const WORLD = "\0world";

function bucketOf(key: string, value: string): string {
  return `${key}\0${value}`;
}

function isOneValue({ operator, values, source }: Requirement): boolean {
  return operator === "In" && values.length === 1 && source !== "cidr";
}

/** What an identity must have in common with the selector, one by one, to be selected at all; none = nothing. */
function selectorBuckets(selector: Selector): string[] {
  if (selector.kind === "cidr") return [WORLD];
  return selector.requirements.filter(isOneValue).map(({ key, values }) => bucketOf(key, values[0]!));
}

function identityBuckets(labels: Labels): string[] {
  const buckets = labels.map(({ key, value }: Label) => bucketOf(key, value));
  return hasWorldLabel(labels) || cidrOfLabels(labels) !== undefined ? [...buckets, WORLD] : buckets;
}

function fileUnder<T>(index: Map<string, Set<T>>, bucket: string, item: T): void {
  const filed = index.get(bucket);
  if (filed === undefined) index.set(bucket, new Set([item]));
  else filed.add(item);
}

function unfile<T>(index: Map<string, Set<T>>, bucket: string, item: T): void {
  const filed = index.get(bucket);
  filed?.delete(item);
  if (filed?.size === 0) index.delete(bucket);
}

/**
 * Knows every identity with its labels, and which of them each selector that was asked for selects. A new identity is
 * compared only with selectors that share a label with it.
 */
export class SelectorCache {
  private readonly identities = new Map<number, Labels>();
  private readonly identityIndex = new Map<string, Set<number>>();
  private readonly selections = new Map<string, Selection>();
  private readonly selectionIndex = new Map<string, Set<Selection>>();
  private readonly unfiled = new Set<Selection>();

  /** Adds the identity, or gives it other labels. */
  upsertIdentity(id: number, labels: Labels): void {
    this.removeIdentity(id);
    this.identities.set(id, labels);
    for (const bucket of identityBuckets(labels)) {
      fileUnder(this.identityIndex, bucket, id);
      for (const selection of this.selectionIndex.get(bucket) ?? []) addIfSelected(selection, id, labels);
    }
    for (const selection of this.unfiled) addIfSelected(selection, id, labels);
  }

  removeIdentity(id: number): void {
    const labels = this.identities.get(id);
    if (labels === undefined) return;
    this.identities.delete(id);
    for (const bucket of identityBuckets(labels)) {
      unfile(this.identityIndex, bucket, id);
      for (const selection of this.selectionIndex.get(bucket) ?? []) selection.identities.delete(id);
    }
    for (const selection of this.unfiled) selection.identities.delete(id);
  }

  labelsOf(id: number): Labels | undefined {
    return this.identities.get(id);
  }

  /** Numbers of the selected identities. The set is live: it changes with the identities. */
  select(selector: Selector): ReadonlySet<number> {
    const known = this.selections.get(selector.text);
    const selection = known ?? this.compute(selector);
    // Re-inserting keeps the map in the order of last use.
    if (known !== undefined) this.selections.delete(selector.text);
    this.selections.set(selector.text, selection);
    if (this.selections.size > Limits.CachedSelectors) this.forgetOldest();
    return selection.identities;
  }

  private compute(selector: Selector): Selection {
    const bucket = this.smallest(selectorBuckets(selector));
    const selection: Selection = { selector, bucket, identities: new Set() };
    if (bucket === undefined) this.unfiled.add(selection);
    else fileUnder(this.selectionIndex, bucket, selection);
    const candidates = bucket === undefined ? this.identities.keys() : (this.identityIndex.get(bucket) ?? []);
    for (const id of candidates) addIfSelected(selection, id, this.identities.get(id)!);
    return selection;
  }

  /** Of several places where a selector can be filed, the one with the fewest identities to compare it with. */
  private smallest(buckets: readonly string[]): string | undefined {
    const sizeOf = (bucket: string) => this.identityIndex.get(bucket)?.size ?? 0;
    return buckets.reduce<string | undefined>(
      (best, bucket) => (best === undefined || sizeOf(bucket) < sizeOf(best) ? bucket : best),
      undefined,
    );
  }

  private forgetOldest(): void {
    const [text, selection] = this.selections.entries().next().value!;
    this.selections.delete(text);
    this.unfiled.delete(selection);
    if (selection.bucket !== undefined) unfile(this.selectionIndex, selection.bucket, selection);
  }
}

function addIfSelected({ selector, identities }: Selection, id: number, labels: Labels): void {
  if (selects(selector, labels)) identities.add(id);
}
