import type { Direction } from "../model/verdict.ts";
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
  /** How many statements there were about each selection. */
  readonly gone: ReadonlyMap<Selection, number>;
  /** Shared by all who take them over. */
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
    const stay = before.filter((origin) => !this.goneDenying.includes(origin));
    const denying = [...stay, ...this.freshDenying];
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
    return { gone: counts, fresh: groups };
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
  private readonly known = new Map<string, SideChange | undefined>();

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

  /** Undefined = nothing speaks of this direction of the subject. */
  of(subject: Subject, direction: Direction): SideChange | undefined {
    const [gone, fresh] = [this.gone, this.fresh].map((rules) =>
      rules.filter(({ rule, sides }) => sides[direction] !== undefined && isAbout(this.key, rule, subject)),
    ) as [CompiledRule[], CompiledRule[]];
    if (gone.length + fresh.length === 0) return undefined;
    const places = [
      ...gone.map((rule) => this.gone.indexOf(rule)),
      "",
      ...fresh.map((rule) => this.fresh.indexOf(rule)),
    ];
    const id = `${direction} ${places}`;
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const written = (rules: readonly CompiledRule[]) =>
      rules.map(({ rule, sides }) => ({ rule, side: sides[direction]! }));
    const made = new SideChange(direction, written(gone), written(fresh), this.repository);
    this.known.set(id, made);
    return made;
  }
}
