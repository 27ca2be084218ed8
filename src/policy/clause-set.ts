import type { Direction } from "../model/verdict.ts";
import { type Clause, mergeStatements } from "./clause.ts";
import { type ClauseGroup, groupClauses, type NamedPort, type NamedPortsOf } from "./named-ports.ts";
import { type Levels, rankLevels } from "./precedence.ts";
import type { Repository } from "./repository.ts";
import type { Selection } from "./selector-cache.ts";
import type { Stance } from "./stance.ts";
import type { Side } from "./statement.ts";

/** What the clauses of an endpoint are made from besides its rules. */
export interface Surroundings {
  readonly repository: Repository;
  readonly subjectPorts: readonly NamedPort[];
  readonly portsOf: NamedPortsOf;
}

/** The rules of one direction, and what they have in common. */
interface Basis {
  readonly sides: readonly Side[];
  readonly levels: Levels;
  /** Whether nothing is denied by default. */
  readonly isOpen: boolean;
  readonly hasPass: boolean;
}

interface Merged {
  /** Every selection that a rule names, those without a peer that has the port's name included. */
  readonly selections: readonly Selection[];
  /** Clauses on names of ports, as they were written. */
  readonly named: readonly Clause[];
  readonly everyPeer: readonly Clause[];
  readonly groups: readonly ClauseGroup[];
  readonly hasAuth: boolean;
  /** Whether the ports of a redirect are cut by other rules' ports. */
  readonly hasRedirectedRange: boolean;
}

/** All clauses of one direction, grouped by whom they select. */
export interface ClauseSet extends Basis, Merged {
  /** Whether a new identity changes only what belongs to it. */
  readonly isIncremental: boolean;
  /** Whether what one selection's clauses come to depends on nothing but those for every peer. */
  readonly isPlain: boolean;
}

/**
 * Merges what the rules say. Of `earlier`, the clauses of the same endpoint and direction before some rules changed, it takes
 * over the groups that no changed rule speaks of: they are the same objects, in the same order, and new ones follow.
 * Throws PolicyConflict.
 */
export function clauseSetOf(
  direction: Direction,
  { sides, defaultOrigins }: Stance,
  surroundings: Surroundings,
  earlier?: ClauseSet,
): ClauseSet {
  const basis = {
    sides,
    levels: rankLevels(sides.flatMap(({ ranks }) => ranks)),
    isOpen: defaultOrigins === undefined,
    hasPass: sides.some(({ ranks }) => ranks.some(({ verdict }) => verdict === "pass")),
  };
  const isLike = earlier?.isPlain === true && earlier.levels === basis.levels && earlier.isOpen === basis.isOpen;
  const merged = isLike
    ? mergedFrom(earlier, direction, basis, surroundings)
    : mergedOf(direction, basis, surroundings);
  const isIncremental = direction === "ingress" || merged.named.length === 0;
  const isPlain = isIncremental && !basis.hasPass && !merged.hasAuth && !merged.hasRedirectedRange;
  return { ...basis, ...merged, isIncremental, isPlain };
}

function mergedFrom(earlier: ClauseSet, direction: Direction, basis: Basis, surroundings: Surroundings): Merged {
  const touched = selectionsTouched(earlier.sides, basis.sides);
  const fresh = mergedOf(direction, basis, surroundings, touched);
  const isKept = ({ selection }: { readonly selection: Selection | undefined }) => !touched.has(selection);
  return {
    ...fresh,
    selections: [...earlier.selections.filter((selection) => isKept({ selection })), ...fresh.selections],
    named: [...earlier.named.filter(isKept), ...fresh.named],
    everyPeer: touched.has(undefined) ? fresh.everyPeer : earlier.everyPeer,
    groups: [...earlier.groups.filter(isKept), ...fresh.groups],
  };
}

/** Whom rules speak of that came or went; undefined = every peer. Rules that stay do so in their order. */
function selectionsTouched(before: readonly Side[], now: readonly Side[]): Set<Selection | undefined> {
  const shorter = Math.min(before.length, now.length);
  let start = 0;
  while (start < shorter && before[start] === now[start]) start++;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === now.at(-1 - end)) end++;
  const changed = [...before.slice(start, before.length - end), ...now.slice(start, now.length - end)];
  return new Set(changed.flatMap(({ statements }) => statements.map(({ selection }) => selection)));
}

/** With `only`, nothing but what is said of these selections. */
function mergedOf(
  direction: Direction,
  { sides, levels, isOpen }: Basis,
  { repository: { selectors, filters }, subjectPorts, portsOf }: Surroundings,
  only?: ReadonlySet<Selection | undefined>,
): Merged {
  const statements = sides.flatMap((side) =>
    only === undefined ? side.statements : side.statements.filter(({ selection }) => only.has(selection)),
  );
  const clauses = mergeStatements(statements, levels, isOpen);
  return {
    selections: [...new Set(clauses.flatMap(({ selection }) => selection ?? []))],
    named: clauses.filter(({ filter }) => filter.name !== undefined),
    ...groupClauses(clauses, direction, subjectPorts, { selectors, filters, portsOf }),
    hasAuth: clauses.some(({ auth }) => auth !== undefined),
    hasRedirectedRange: clauses.some(({ l7, filter }) => l7 !== undefined && filter.first !== filter.last),
  };
}
