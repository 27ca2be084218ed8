import { compareText } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { portPrefixes } from "../model/port.ts";
import { Protocol, protocolName } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import type { Clause } from "./clause.ts";
import type { Piece } from "./column.ts";
import type { OriginTable } from "./origin.ts";
import type { L7PeerRules, L7Redirect } from "./policy-map.ts";
import type { Levels } from "./precedence.ts";
import type { L7Settings, Parser } from "./statement.ts";

/** A clause with whom it selects; undefined = every peer. */
export interface SelectedClause {
  readonly clause: Clause;
  readonly identities: (() => readonly number[]) | undefined;
}

/** Ports that one set of L7 rules governs as a whole. */
interface Segment {
  readonly key: string;
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
  readonly parser: Parser;
  readonly listener: string | undefined;
}

function keyOf(direction: Direction, protocol: number, first: number, last: number, l7: L7Settings): string {
  const ports = first === last ? `${first}` : `${first}-${last}`;
  const parser = l7.parser === "http" ? "" : `:${l7.listener?.name ?? l7.parser}`;
  return `${direction}:${protocolName(protocol)}:${ports}${parser}`;
}

function speaksOf(clause: Clause, protocol: number): boolean {
  return clause.filter.protocol === protocol || clause.filter.protocol === Protocol.Any;
}

/**
 * Cuts the redirected ports of one direction so that within a piece the same rules apply to every port, and says what the
 * proxy must judge there.
 */
export class Redirects {
  private readonly direction: Direction;
  private readonly selected: () => readonly SelectedClause[];
  private made: readonly SelectedClause[] | undefined;
  /** Both made when there is something to cut: most directions have no L7 rules, and there are many directions. */
  private segments: Map<string, Segment> | undefined;
  private pieces: WeakMap<Clause, readonly Piece[]> | undefined;
  private pieceCount = 0;

  /** `selected` gives all clauses that the direction has; their filters have numbers. */
  constructor(direction: Direction, selected: () => readonly SelectedClause[]) {
    this.direction = direction;
    this.selected = selected;
  }

  private get clauses(): readonly SelectedClause[] {
    this.made ??= this.selected();
    return this.made;
  }

  /** Cuts all that is to be cut; otherwise it is done when it is needed. Throws when ranges cut each other too often. */
  prepare(): void {
    for (const { clause } of this.clauses) this.piecesOf(clause);
  }

  /** Blocks of a clause; those of one with L7 rules name their redirect. */
  readonly piecesOf = (clause: Clause): readonly Piece[] => {
    // A clause that was lifted to another rank is a copy, with the ports and L7 rules of the original.
    if (clause.l7 === undefined) return clause.filter.blocks;
    this.pieces ??= new WeakMap();
    let pieces = this.pieces.get(clause);
    if (pieces === undefined) {
      pieces = this.cut(clause, clause.l7);
      this.pieces.set(clause, pieces);
    }
    return pieces;
  };

  /** What the proxy must judge: for each piece every clause that covers it, the highest rank first. */
  list(levels: Levels, origins: OriginTable): L7Redirect[] {
    this.prepare();
    return [...(this.segments?.values() ?? [])].flatMap((segment) => {
      const { key, protocol, first, last, parser, listener } = segment;
      const ranked = this.rulesOf(segment).sort(byRank);
      // Nobody is sent there while the rules with this parser select nobody.
      if (!ranked.some(({ clause }) => clause.l7?.parser === parser)) return [];
      const redirect: L7Redirect = {
        key,
        direction: this.direction,
        protocol,
        port: first,
        ...(last === first ? {} : { endPort: last }),
        parser,
        ...(listener === undefined ? {} : { listener }),
        rules: ranked.map((selected) => peerRules(selected, ranked, levels, origins)),
      };
      return [redirect];
    });
  }

  private rulesOf({ protocol, first, last, parser }: Segment): SelectedClause[] {
    const rules = this.clauses.filter(({ clause, identities }) => {
      const { filter } = clause;
      if (identities?.().length === 0) return false;
      if (filter.first > first || last > filter.last) return false;
      // The DNS proxy knows only rules that name its port; wider ones allow the server, not the names.
      if (parser === "dns") return filter.protocol === protocol && filter.first === first && filter.last === last;
      return speaksOf(clause, protocol);
    });
    if (parser !== "dns") return rules;
    // Nor does it know those of a tier that does not send anything to it.
    const tiers = new Set(rules.filter(({ clause }) => clause.l7 !== undefined).map(({ clause }) => clause.tier));
    return rules.filter(({ clause }) => tiers.has(clause.tier));
  }

  private cut(clause: Clause, l7: L7Settings): Piece[] {
    const { protocol, first, last } = clause.filter;
    const starts = new Set([first]);
    if (first !== last) {
      for (const { clause: other } of this.clauses) {
        if (!speaksOf(other, protocol)) continue;
        for (const start of [other.filter.first, other.filter.last + 1]) {
          if (start > first && start <= last) starts.add(start);
        }
      }
    }
    // A port of its own is one piece, whatever the others are.
    if (first !== last) this.pieceCount += starts.size;
    if (this.pieceCount > Limits.RedirectPieces)
      throw new Error("too many port ranges with L7 rules overlap: write fewer ranges, or ranges apart");
    const sorted = [...starts].sort((a, b) => a - b);
    return sorted.flatMap((start, index) => {
      const end = (sorted[index + 1] ?? last + 1) - 1;
      const key = keyOf(this.direction, protocol, start, end, l7);
      const { parser } = l7;
      this.segments ??= new Map();
      this.segments.set(key, { key, protocol, first: start, last: end, parser, listener: l7.listener?.name });
      return portPrefixes(start, end).map((block) => ({ ...block, redirect: key }));
    });
  }
}

/** Within a rank the order means nothing, but it must not depend on how the policy came about. */
function byRank(a: SelectedClause, b: SelectedClause): number {
  const byName = b.clause.precedence - a.clause.precedence || compareText(nameOf(a), nameOf(b));
  // A port's number and its name may stand in one element.
  return byName || compareText(`${inOrder(a.identities?.())}`, `${inOrder(b.identities?.())}`);
}

function inOrder(identities: readonly number[] = []): number[] {
  return [...identities].sort((a, b) => a - b);
}

function nameOf({ clause }: SelectedClause): string {
  const { first, last } = clause.filter;
  const rules = clause.origins.map(({ kind, namespace, name, path }) => `${kind} ${namespace} ${name} ${path}`);
  const { http, dns, serverNames } = clause.l7 ?? {};
  const words = JSON.stringify([first, last, http, dns, serverNames]);
  return `${rules.sort().join(" ")} ${clause.selection?.selector.text ?? ""} ${words}`;
}

/** Where a pass goes on: at the first set of a later tier. */
function passTarget({ tier }: Clause, ranked: readonly SelectedClause[], levels: Levels): number {
  const index = ranked.findIndex(({ clause }) => clause.precedence < levels.tierEnd(tier));
  return index === -1 ? ranked.length : index;
}

function peerRules(
  { clause, identities }: SelectedClause,
  ranked: readonly SelectedClause[],
  levels: Levels,
  origins: OriginTable,
): L7PeerRules {
  const { l7, verdict } = clause;
  return {
    ...(identities === undefined ? {} : { identities: inOrder(identities()) }),
    ...(l7?.http === undefined ? {} : { http: l7.http }),
    ...(l7?.dns === undefined ? {} : { dns: l7.dns }),
    ...(l7?.serverNames === undefined ? {} : { serverNames: l7.serverNames }),
    ...(l7?.listener === undefined ? {} : { listener: l7.listener.name }),
    deny: verdict === "deny",
    precedence: clause.precedence,
    ...(verdict === "pass" ? { passTo: passTarget(clause, ranked, levels) } : {}),
    origin: origins.indexOf(clause.origins),
  };
}
