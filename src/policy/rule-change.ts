import { DIRECTIONS, type Direction } from "../model/verdict.ts";
import { mergeStatements, PolicyConflict } from "./clause.ts";
import { type ClauseGroup, groupClauses } from "./named-ports.ts";
import { BuiltInOrigin, type Origins } from "./origin.ts";
import type { Difference } from "./peer-parts.ts";
import { isPlain, PLAIN_LEVELS } from "./precedence.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import { RowSet } from "./row-set.ts";
import type { PolicyKey, Rule } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";
import { isAbout, type Subject } from "./stance.ts";
import type { Side } from "./statement.ts";

/** What the rules that went and came say by themselves, where no other rule has a say in it. */
interface Patch {
  readonly selections: Difference<Selection>;
  /** How many statements each selection that went had. */
  readonly goneStatements: readonly number[];
  /** What is said of each fresh selection; shared by all who take it over. */
  readonly fresh: readonly ClauseGroup[];
}

type Written = Pick<CompiledRule, "rule"> & { readonly side: Side };

/** Rules that went and came, as one direction of the subjects sees it that all of them select. */
export class SideChange {
  /** Whom the rules speak of; undefined = every peer. */
  readonly touched: ReadonlySet<Selection | undefined>;
  /** Undefined = it takes all rules to tell. */
  readonly patch: Patch | undefined;
  /** Everybody whom the rules speak of, every peer left out. */
  readonly rows: RowSet;
  private readonly goneDenying: Origins;
  private readonly freshDenying: Origins;

  constructor(direction: Direction, gone: readonly Written[], fresh: readonly Written[], repository: Repository) {
    const statements = [...gone, ...fresh].flatMap(({ side }) => side.statements);
    this.touched = new Set(statements.map(({ selection }) => selection));
    const lists = [...this.touched].flatMap((selection) => (selection === undefined ? [] : [selection.rows]));
    this.rows = new RowSet(lists, repository.selectors.idsByRow);
    const denying = (some: readonly Written[]) =>
      some.flatMap(({ rule, side }) => (rule.defaultDeny[direction] ? side.first : []));
    this.goneDenying = denying(gone);
    this.freshDenying = denying(fresh);
    this.patch = patchOf(direction, gone, fresh, repository);
  }

  /** Rules that turn default deny on after those before; undefined = it takes more to tell. */
  denyingAfter(before: Origins | undefined): Origins | undefined {
    if (before === undefined || before[0] === BuiltInOrigin.alwaysEnforced) return undefined;
    let denying = before;
    for (const origin of this.goneDenying) {
      const place = denying.indexOf(origin);
      if (place === -1) return undefined;
      denying = denying.toSpliced(place, 1);
    }
    denying = denying.concat(this.freshDenying);
    return denying.length > 0 ? denying : undefined;
  }
}

function patchOf(
  direction: Direction,
  gone: readonly Written[],
  fresh: readonly Written[],
  { selectors, filters }: Repository,
): Patch | undefined {
  const isSimple = [...gone, ...fresh].every(
    ({ side }) =>
      side.ranks.every(isPlain) &&
      side.statements.every(
        ({ selection, filter, auth, l7 }) =>
          selection !== undefined &&
          filter.name === undefined &&
          auth === undefined &&
          (l7 === undefined || filter.first === filter.last),
      ),
  );
  if (!isSimple) return undefined;
  const counts = new Map<Selection, number>();
  for (const { side } of gone)
    for (const { selection } of side.statements) counts.set(selection!, (counts.get(selection!) ?? 0) + 1);
  try {
    const clauses = mergeStatements(
      fresh.flatMap(({ side }) => side.statements),
      PLAIN_LEVELS,
      false,
    );
    const { groups } = groupClauses(clauses, direction, [], { selectors, filters, portsOf: () => [] });
    const selections = { gone: [...counts.keys()], fresh: groups.map(({ selection }) => selection!) };
    return { selections, goneStatements: [...counts.values()], fresh: groups };
  } catch (error) {
    // Each subject finds the contradiction again, and says so.
    if (error instanceof PolicyConflict) return undefined;
    throw error;
  }
}

/** A policy's rules before and after it was replaced. What it means is worked out once for all subjects that it means the same for. */
export class RuleChange {
  private readonly gone: readonly CompiledRule[];
  private readonly fresh: readonly CompiledRule[];
  private readonly repository: Repository;
  private readonly known = new Map<string, SidesChange>();

  constructor(gone: readonly CompiledRule[], fresh: readonly CompiledRule[], repository: Repository) {
    this.gone = gone;
    this.fresh = fresh;
    this.repository = repository;
  }

  /** What it means in each direction for a subject that these of the rules are about (see `aboutWhich`); absent = nothing. */
  of(which: string): SidesChange {
    const known = this.known.get(which);
    if (known !== undefined) return known;
    const gone = this.gone.filter((_, place) => which[place] === ABOUT);
    const fresh = this.fresh.filter((_, place) => which[this.gone.length + place] === ABOUT);
    const made: { -readonly [D in Direction]?: SideChange } = {};
    for (const direction of DIRECTIONS) {
      const [before, now] = [written(gone, direction), written(fresh, direction)];
      if (before.length + now.length > 0) made[direction] = new SideChange(direction, before, now, this.repository);
    }
    this.known.set(which, made);
    return made;
  }
}

const ABOUT = "+";

/** A sign for each of a policy's rules, those that go and then those that come; undefined = none is about the subject. */
export function aboutWhich(key: PolicyKey, rules: readonly Rule[], subject: Subject): string | undefined {
  let which = "";
  for (const rule of rules) which += isAbout(key, rule, subject) ? ABOUT : "-";
  return which.includes(ABOUT) ? which : undefined;
}

export type SidesChange = Readonly<Partial<Record<Direction, SideChange>>>;

/** Those of the rules that speak of the direction. */
function written(rules: readonly CompiledRule[], direction: Direction): Written[] {
  return rules.flatMap(({ rule, sides }) => {
    const side = sides[direction];
    return side === undefined ? [] : [{ rule, side }];
  });
}
