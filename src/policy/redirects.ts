import { Protocol, protocolName } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import { actionOf } from "./filter.ts";
import type { OriginTable } from "./origin.ts";
import type { L7PeerRules, L7Redirect } from "./policy-map.ts";
import type { Grant } from "./port-resolution.ts";

/** Ports that one set of L7 rules governs as a whole. */
export interface Segment {
  readonly key: string;
  readonly first: number;
  readonly last: number;
}

function segmentKey(direction: Direction, first: number, last: number): string {
  const ports = first === last ? `${first}` : `${first}-${last}`;
  return `${direction}:${protocolName(Protocol.Tcp)}:${ports}`;
}

/**
 * Cuts the redirected ports of one direction so that within a piece the same rules apply to every port. The pieces of a
 * range are asked for by its grant.
 */
export class Segments {
  private readonly direction: Direction;
  private readonly grants: readonly Grant[];
  /** First ports of pieces, ascending. */
  private readonly starts: readonly number[];
  private readonly used = new Map<string, Segment>();

  constructor(direction: Direction, grants: readonly Grant[]) {
    this.direction = direction;
    this.grants = grants.filter(
      (grant) => grant.direction === direction && (grant.protocol === Protocol.Tcp || grant.protocol === Protocol.Any),
    );
    const starts = new Set(this.grants.flatMap(({ first, last }) => [first, last + 1]));
    this.starts = [...starts].sort((a, b) => a - b);
  }

  /** Pieces that together are exactly the ports of the grant. */
  of({ first, last }: Grant): Segment[] {
    const inside = this.starts.filter((start) => start > first && start <= last);
    return [first, ...inside].map((start, index) => {
      const end = (inside[index] ?? last + 1) - 1;
      const segment = { key: segmentKey(this.direction, start, end), first: start, last: end };
      this.used.set(segment.key, segment);
      return segment;
    });
  }

  /** What the proxy must judge: for each piece that was asked for, every rule that covers it, the L3-only ones too. */
  redirects(origins: OriginTable): L7Redirect[] {
    return [...this.used.values()].map(({ key, first, last }) => ({
      key,
      direction: this.direction,
      protocol: Protocol.Tcp,
      port: first,
      ...(last === first ? {} : { endPort: last }),
      parser: "http",
      rules: this.grants
        .filter((grant) => grant.first <= first && last <= grant.last)
        .map((grant) => peerRules(grant, origins)),
    }));
  }
}

function peerRules({ identities, verdict }: Grant, origins: OriginTable): L7PeerRules {
  return {
    ...(identities.includes(0) ? {} : { identities: [...identities].sort((a, b) => a - b) }),
    ...(actionOf(verdict) === "redirect" ? { http: verdict.http! } : {}),
    deny: verdict.deny,
    origin: origins.indexOf(verdict.origins),
  };
}
