import type { PolicyDiff } from "./diff.ts";
import type { DiffParty } from "./parties.ts";

/** Names that are written out; the rest is counted. */
const MOST_NAMES = 6;
/** Where fewer are left out than this, those are named instead. */
const FEW_LEFT_OUT = 4;

/** Says who somebody is, so that a person need not read long lists. */
export class PartyNames {
  private readonly parties: readonly DiffParty[];
  private readonly byNamespace: Map<string, DiffParty[]>;

  constructor({ parties }: Pick<PolicyDiff, "parties">) {
    this.parties = parties;
    this.byNamespace = Map.groupBy(parties, ({ namespace }) => namespace);
  }

  /** `everybody`, `everybody but a and b`, `all of shop`, or the names. */
  of(some: readonly DiffParty[], role: "source" | "destination"): string {
    const everybody = role === "source" ? this.parties.filter((party) => !party.isDestinationOnly) : this.parties;
    const inside = new Set(some);
    const others = everybody.filter((party) => !inside.has(party));
    if (others.length === 0) return "everybody";
    if (others.length < FEW_LEFT_OUT && some.length > FEW_LEFT_OUT)
      return `everybody but ${list(others.map(({ title }) => title))}`;
    const names: string[] = [];
    const told = new Set<DiffParty>();
    for (const [namespace, members] of this.byNamespace) {
      if (namespace === "" || members.length < 2 || !members.every((party) => inside.has(party))) continue;
      names.push(`all of ${namespace}`);
      for (const party of members) told.add(party);
    }
    // Those who are there come before those who might be.
    const rest = some.filter((party) => !told.has(party)).sort((a, b) => order(a) - order(b));
    names.push(...rest.map(({ title }) => title));
    const shown = names.slice(0, MOST_NAMES);
    return list(names.length > shown.length ? [...shown, `${names.length - shown.length} more`] : shown);
  }
}

function order({ kind }: DiffParty): number {
  return ["workload", "outside", "entity", "supposed"].indexOf(kind);
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
