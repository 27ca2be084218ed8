import { MAX_PORT } from "../model/port.ts";
import { isWildcard, type Selector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { type Filter, isCoveredByWildcard, type PeerVerdict } from "./filter.ts";

/** A port that a pod has given a name. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
}

/** Who is who, as far as resolving a policy needs it. */
export interface IdentityView {
  select(selector: Selector): ReadonlySet<number>;
  /** Named ports of the pods that have this identity; absent = none are known. */
  namedPorts?(identity: number): readonly NamedPort[];
}

/** A verdict on concrete ports and identities. */
export interface Grant {
  readonly direction: Direction;
  /** 0 = any. */
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
  /** [0] = any peer. */
  readonly identities: readonly number[];
  readonly verdict: PeerVerdict;
  /** The same is in force for every peer on these ports: it needs no entry of its own. */
  readonly isCovered: boolean;
}

/** The number behind a name; undefined when there is none or more than one. */
function portOf(ports: readonly NamedPort[], name: string, protocol: number): number | undefined {
  const numbers = new Set(
    ports.filter((port) => port.protocol === protocol && port.name.toLowerCase() === name).map(({ port }) => port),
  );
  return numbers.size === 1 ? numbers.values().next().value : undefined;
}

/**
 * Turns a filter into grants. A named port is, at ingress, the subject's own; at egress each peer's own. A name that
 * stands for no number or for several grants nothing.
 */
export function resolveFilter(filter: Filter, subjectPorts: readonly NamedPort[], identities: IdentityView): Grant[] {
  const { direction, spec } = filter;
  if (spec.name === undefined) return concrete(filter, spec.port, spec.endPort, identities);
  if (direction === "egress") return egressNamed(filter, spec.name, identities);
  const port = portOf(subjectPorts, spec.name, spec.protocol);
  return port === undefined ? [] : concrete(filter, port, Math.max(port, spec.endPort), identities);
}

function concrete(filter: Filter, first: number, endPort: number, identities: IdentityView): Grant[] {
  const { direction, spec } = filter;
  const last = first === 0 ? MAX_PORT : endPort;
  const isEveryPort = first === 0;
  const grants: Grant[] = [];
  for (const verdict of filter.peers.values()) {
    const selected = isWildcard(verdict.selector) ? [0] : [...identities.select(verdict.selector)];
    if (selected.length === 0) continue;
    const isCovered = !isEveryPort && isCoveredByWildcard(filter, verdict);
    grants.push({ direction, protocol: spec.protocol, first, last, identities: selected, verdict, isCovered });
  }
  return grants;
}

function egressNamed(filter: Filter, name: string, identities: IdentityView): Grant[] {
  const { direction, spec } = filter;
  return [...filter.peers.values()].flatMap((verdict) => {
    const byPort = new Map<number, number[]>();
    for (const identity of identities.select(verdict.selector)) {
      const port = portOf(identities.namedPorts?.(identity) ?? [], name, spec.protocol);
      if (port !== undefined) byPort.set(port, [...(byPort.get(port) ?? []), identity]);
    }
    return [...byPort].map(
      ([port, peers]): Grant => ({
        direction,
        protocol: spec.protocol,
        first: port,
        last: port,
        identities: peers,
        verdict,
        isCovered: false,
      }),
    );
  });
}
