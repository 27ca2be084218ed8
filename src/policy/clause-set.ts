import type { Direction } from "../model/verdict.ts";
import { type Clause, mergeStatements } from "./clause.ts";
import { type ClauseGroup, groupClauses, type NamedPort, type NamedPortsOf } from "./named-ports.ts";
import type { Difference } from "./peer-parts.ts";
import { type Levels, PLAIN_LEVELS, rankLevels } from "./precedence.ts";
import type { Repository } from "./repository.ts";
import type { SideChange } from "./rule-change.ts";
import type { Selection } from "./selector-cache.ts";
import type { Stance } from "./stance.ts";
import type { Side, Statement } from "./statement.ts";

/** What the clauses of an endpoint are made from besides its rules. */
export interface Surroundings {
  readonly repository: Repository;
  readonly subjectPorts: readonly NamedPort[];
  readonly portsOf: NamedPortsOf;
}

/** What the rules of one direction have in common. */
interface Basis {
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

/** Clauses before some rules of the direction changed, and the change. */
export interface EarlierClauses {
  readonly clauses: ClauseSet;
  readonly change: SideChange;
}

/** Earlier clauses after a change. Groups that stayed are the same objects, in the same order; new ones follow them. */
export interface PatchedClauses {
  readonly clauses: ClauseSet;
  readonly groups: Difference<ClauseGroup>;
  readonly selections: Difference<Selection>;
}

/**
 * Merges what the rules say. Of the clauses that the same endpoint and direction had earlier it takes over the groups that no
 * changed rule speaks of: they are the same objects, in the same order, and new ones follow. Throws PolicyConflict.
 */
export function clauseSetOf(
  direction: Direction,
  { sides, defaultOrigins }: Stance,
  surroundings: Surroundings,
  last?: EarlierClauses,
): ClauseSet {
  const basis = {
    levels: rankLevels(sides.flatMap(({ ranks }) => ranks)),
    isOpen: defaultOrigins === undefined,
    hasPass: sides.some(({ ranks }) => ranks.some(({ verdict }) => verdict === "pass")),
  };
  const merged =
    last !== undefined && isLike(last.clauses, basis)
      ? mergedFrom(last, direction, sides, basis, surroundings)
      : mergedOf(direction, sides, basis, surroundings);
  const isIncremental = direction === "ingress" || merged.named.length === 0;
  const isPlain = isIncremental && !basis.hasPass && !merged.hasAuth && !merged.hasRedirectedRange;
  return { ...basis, ...merged, isIncremental, isPlain };
}

/**
 * The clauses after the change where no other rule has a say in it, so that the rules need not be gone through; undefined =
 * some may have. Whether anything is denied by default must not have changed.
 */
export function patchedClauseSet({ clauses, change: { patch } }: EarlierClauses): PatchedClauses | undefined {
  if (patch === undefined || clauses.isOpen || clauses.levels !== PLAIN_LEVELS) return undefined;
  // Without names of ports a selection has one group, at the same place.
  if (clauses.named.length > 0) return undefined;
  let { selections, groups } = clauses;
  const gone: ClauseGroup[] = [];
  for (let index = 0; index < patch.selections.gone.length; index++) {
    const place = selections.indexOf(patch.selections.gone[index]!);
    const group = groups[place];
    if (group === undefined || group.statements !== patch.goneStatements[index]) return undefined;
    gone.push(group);
    selections = selections.toSpliced(place, 1);
    groups = groups.toSpliced(place, 1);
  }
  if (patch.selections.fresh.some((selection) => selections.includes(selection))) return undefined;
  return {
    clauses: { ...clauses, selections: selections.concat(patch.selections.fresh), groups: groups.concat(patch.fresh) },
    groups: { gone, fresh: patch.fresh },
    selections: patch.selections,
  };
}

/** Whether what both say of one selection comes to the same clauses. Equal levels have the same built-in rules beside them. */
function isLike(earlier: ClauseSet, { levels, isOpen }: Basis): boolean {
  return earlier.isPlain && earlier.levels === levels && earlier.isOpen === isOpen;
}

function mergedFrom(
  { clauses: earlier, change: { touched } }: EarlierClauses,
  direction: Direction,
  sides: readonly Side[],
  basis: Basis,
  surroundings: Surroundings,
): Merged {
  const fresh = mergedOf(direction, sides, basis, surroundings, touched);
  const isKept = ({ selection }: { readonly selection: Selection | undefined }) => !touched.has(selection);
  return {
    ...fresh,
    selections: [...earlier.selections.filter((selection) => isKept({ selection })), ...fresh.selections],
    named: [...earlier.named.filter(isKept), ...fresh.named],
    everyPeer: touched.has(undefined) ? fresh.everyPeer : earlier.everyPeer,
    groups: [...earlier.groups.filter(isKept), ...fresh.groups],
  };
}

/** With `only`, nothing but what is said of these selections. */
function mergedOf(
  direction: Direction,
  sides: readonly Side[],
  { levels, isOpen }: Basis,
  { repository: { selectors, filters }, subjectPorts, portsOf }: Surroundings,
  only?: ReadonlySet<Selection | undefined>,
): Merged {
  const statements: Statement[] = [];
  for (const side of sides)
    for (const statement of side.statements)
      if (only === undefined || only.has(statement.selection)) statements.push(statement);
  const clauses = mergeStatements(statements, levels, isOpen);
  const selections = new Set<Selection>();
  const named: Clause[] = [];
  let [hasAuth, hasRedirectedRange] = [false, false];
  for (const clause of clauses) {
    const { selection, filter, auth, l7 } = clause;
    if (selection !== undefined) selections.add(selection);
    if (filter.name !== undefined) named.push(clause);
    hasAuth ||= auth !== undefined;
    hasRedirectedRange ||= l7 !== undefined && filter.first !== filter.last;
  }
  const { everyPeer, groups } = groupClauses(clauses, direction, subjectPorts, { selectors, filters, portsOf });
  return { selections: [...selections], named, everyPeer, groups, hasAuth, hasRedirectedRange };
}
