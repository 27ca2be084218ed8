import type { Direction } from "../model/verdict.ts";
import type { Clause } from "./clause.ts";
import type { Column } from "./column.ts";
import type { Group } from "./partition.ts";
import type { Selection, SelectorCache } from "./selector-cache.ts";
import type { PortFilter, PortFilters } from "./statement.ts";

/** A port that a pod has given a name. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
}

/** Named ports of the pods that have an identity, for each pod its `distinctPorts`; empty = none are known. */
export type NamedPortsOf = (identity: number) => readonly NamedPort[];

/** Clauses on concrete ports, and the rows that they select; undefined rows = every peer. */
export interface ClauseGroup extends Group {
  /** Whose rows these are, or some of them. */
  readonly selection: Selection | undefined;
  readonly clauses: Clause[];
  /** How many statements are behind the clauses. */
  statements: number;
  /** Its column where only these clauses select a peer, and none every peer; made when it is first needed. */
  alone: Column | undefined;
}

/** The ports of one pod as names find them: of several with one name, whatever their protocols, the last counts. */
export function distinctPorts(ports: readonly NamedPort[]): readonly NamedPort[] {
  const byName = new Map(ports.map((port) => [port.name.toLowerCase(), port]));
  return byName.size === ports.length ? ports : [...byName.values()];
}

/** The number behind a name; undefined when there is none, or when pods of the identity differ in it. */
export function portOf(ports: readonly NamedPort[], name: string, protocol: number): number | undefined {
  let found: number | undefined;
  for (const port of ports) {
    if (port.protocol !== protocol || port.name.toLowerCase() !== name) continue;
    if (found !== undefined && found !== port.port) return undefined;
    found = port.port;
  }
  return found;
}

function withPorts(clause: Clause, filters: PortFilters, port: number, endPort: number): Clause {
  return {
    ...clause,
    filter: filters.of({ protocol: clause.filter.protocol, port, endPort: Math.max(port, endPort) }),
  };
}

/**
 * Names to numbers: at ingress the subject's own, at egress each peer's own. A name that stands for no number, or
 * for several, grants nothing. Returns the clauses for every peer, and those for some grouped by whom they select.
 */
export function groupClauses(
  clauses: readonly Clause[],
  direction: Direction,
  subjectPorts: readonly NamedPort[],
  peers: { readonly selectors: SelectorCache; readonly filters: PortFilters; readonly portsOf: NamedPortsOf },
): { readonly everyPeer: Clause[]; readonly groups: ClauseGroup[] } {
  const ownPorts = distinctPorts(subjectPorts);
  const everyPeer: Clause[] = [];
  const bySelection = new Map<Selection, ClauseGroup>();
  const named: ClauseGroup[] = [];
  for (const each of clauses) {
    let clause = each;
    const { name, protocol, last } = clause.filter;
    if (name !== undefined && direction === "egress") {
      for (const group of egressGroups(clause, clause.filter, peers)) named.push(group);
      continue;
    }
    if (name !== undefined) {
      const port = portOf(ownPorts, name, protocol);
      if (port === undefined) continue;
      clause = withPorts(clause, peers.filters, port, last);
    }
    if (clause.selection === undefined) {
      everyPeer.push(clause);
      continue;
    }
    const { selection } = clause;
    const group = bySelection.get(selection);
    if (group === undefined) bySelection.set(selection, groupOf(selection, selection.rows, clause));
    else {
      group.clauses.push(clause);
      group.statements += clause.statements;
    }
  }
  return { everyPeer, groups: [...bySelection.values(), ...named] };
}

function groupOf(selection: Selection | undefined, rows: readonly number[], clause: Clause): ClauseGroup {
  return { selection, rows, clauses: [clause], statements: clause.statements, alone: undefined };
}

/** One group for each number that the name stands for among the clause's peers. */
function egressGroups(
  clause: Clause,
  { name, protocol }: PortFilter,
  { selectors, filters, portsOf }: { selectors: SelectorCache; filters: PortFilters; portsOf: NamedPortsOf },
): ClauseGroup[] {
  const rowsByPort = new Map<number, number[]>();
  for (const row of clause.selection?.rows ?? selectors.rows()) {
    const port = portOf(portsOf(selectors.identityAt(row)), name!, protocol);
    if (port === undefined) continue;
    const rows = rowsByPort.get(port);
    if (rows === undefined) rowsByPort.set(port, [row]);
    else rows.push(row);
  }
  return [...rowsByPort].map(([port, rows]) => groupOf(clause.selection, rows, withPorts(clause, filters, port, port)));
}
