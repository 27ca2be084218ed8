import { DIRECTIONS, type Direction } from "../model/verdict.ts";
import { mergeStatements, PolicyConflict } from "./clause.ts";
import { type ClauseGroup, groupClauses } from "./named-ports.ts";
import { BuiltInOrigin, type Origins } from "./origin.ts";
import { isPlain, PLAIN_LEVELS } from "./precedence.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import { RowSet } from "./row-set.ts";
import type { PolicyKey } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";
import { isAbout, type Subject } from "./stance.ts";
import type { Side } from "./statement.ts";

/** What the rules that went and came say by themselves, where no other rule has a say in it. */
interface Patch {
  readonly gone: readonly { readonly selection: Selection; readonly statements: number }[];
  /** Shared by all who take them over. */
  readonly fresh: readonly ClauseGroup[];
  /** Whom these select, in the same order. */
  readonly freshSelections: readonly Selection[];
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
  const said = [...counts].map(([selection, statements]) => ({ selection, statements }));
  try {
    const clauses = mergeStatements(
      fresh.flatMap(({ side }) => side.statements),
      PLAIN_LEVELS,
      false,
    );
    const { groups } = groupClauses(clauses, direction, [], { selectors, filters, portsOf: () => [] });
    return { gone: said, fresh: groups, freshSelections: groups.map(({ selection }) => selection!) };
  } catch (error) {
    // Each subject finds the contradiction again, and says so.
    if (error instanceof PolicyConflict) return undefined;
    throw error;
  }
}

/** A policy's rules before and after it was replaced. What it means is worked out once for all subjects that it means the same for. */
export class RuleChange {
  private readonly key: PolicyKey;
  private readonly gone: readonly CompiledRule[];
  private readonly fresh: readonly CompiledRule[];
  private readonly repository: Repository;
  /** By which of the rules are about a subject. */
  private readonly known = new Map<string, SidesChange>();

  constructor(
    key: PolicyKey,
    rules: { readonly gone: readonly CompiledRule[]; readonly fresh: readonly CompiledRule[] },
    repository: Repository,
  ) {
    this.key = key;
    this.gone = rules.gone;
    this.fresh = rules.fresh;
    this.repository = repository;
  }

  /** What it means for the subject in each direction; absent = nothing. */
  of(subject: Subject): SidesChange {
    let id = "";
    for (const rules of [this.gone, this.fresh])
      for (const { rule } of rules) id += isAbout(this.key, rule, subject) ? "+" : "-";
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const isMet = (_: unknown, place: number) => id[place] === "+";
    const gone = this.gone.filter(isMet);
    const fresh = this.fresh.filter((rule, index) => isMet(rule, this.gone.length + index));
    const made: { -readonly [D in Direction]?: SideChange } = {};
    for (const direction of DIRECTIONS) {
      const [before, now] = [written(gone, direction), written(fresh, direction)];
      if (before.length + now.length > 0) made[direction] = new SideChange(direction, before, now, this.repository);
    }
    this.known.set(id, made);
    return made;
  }
}

type SidesChange = Readonly<Partial<Record<Direction, SideChange>>>;

/** Those of the rules that speak of the direction. */
function written(rules: readonly CompiledRule[], direction: Direction): Written[] {
  return rules.flatMap(({ rule, sides }) => {
    const side = sides[direction];
    return side === undefined ? [] : [{ rule, side }];
  });
}
