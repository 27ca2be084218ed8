import type { ResourceKind } from "./kind.ts";

const keyOf = (group: string, version: string, resource: string): string => `${group}/${version}/${resource}`;

/** Versions in the order that clients should prefer: v2, v1, v1beta2, v1beta1, v1alpha1. */
export function compareVersions(a: string, b: string): number {
  const rank = (version: string): readonly number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (!match) return [0, 0, 0];
    const stability = match[2] === undefined ? 3 : match[2] === "beta" ? 2 : 1;
    return [stability, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  for (let index = 0; index < 3; index++) {
    const difference = right[index]! - left[index]!;
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Every kind that is served now: the built-in ones, and those of CustomResourceDefinitions as they come and go. */
export class Registry {
  readonly #kinds = new Map<string, ResourceKind>();
  #generation = 0;

  /** Grows when a kind comes or goes: what is derived from the kinds can be kept until then. */
  get generation(): number {
    return this.#generation;
  }

  add(kind: ResourceKind): void {
    this.#kinds.set(keyOf(kind.group, kind.version, kind.resource), kind);
    this.#generation++;
  }

  /** Drops what one definition brought. */
  removeDefinition(name: string): void {
    for (const [key, kind] of this.#kinds) if (kind.definition?.metadata.name === name) this.#kinds.delete(key);
    this.#generation++;
  }

  find(group: string, version: string, resource: string): ResourceKind | undefined {
    return this.#kinds.get(keyOf(group, version, resource));
  }

  /** The kind by the names an object carries. */
  findKind(group: string, version: string, kind: string): ResourceKind | undefined {
    return this.all().find((entry) => entry.group === group && entry.version === version && entry.kind === kind);
  }

  all(): readonly ResourceKind[] {
    return [...this.#kinds.values()];
  }

  /** Groups other than core in order of their names, each with its versions, preferred first. */
  groups(): ReadonlyMap<string, readonly string[]> {
    const groups = new Map<string, Set<string>>();
    for (const kind of this.#kinds.values()) {
      if (kind.group === "") continue;
      const versions = groups.get(kind.group) ?? new Set();
      groups.set(kind.group, versions.add(kind.version));
    }
    const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(sorted.map(([group, versions]) => [group, [...versions].sort(compareVersions)]));
  }

  /** The kinds of one version in order of their plural names. */
  inVersion(group: string, version: string): readonly ResourceKind[] {
    return this.all()
      .filter((kind) => kind.group === group && kind.version === version)
      .sort((a, b) => (a.resource < b.resource ? -1 : 1));
  }
}
