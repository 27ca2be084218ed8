import { WILDCARD } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { Field } from "./field.ts";
import { parseIcmps } from "./parse-icmp.ts";
import { PeerReader, type Peers } from "./parse-peers.ts";
import { parseToPorts } from "./parse-ports.ts";
import { type AuthMode, type PeerRule, type PortRule, Tier } from "./rule.ts";
import type { Scope } from "./scope.ts";

/** One of the four lists of a rule. */
export interface Section {
  readonly name: string;
  readonly direction: Direction;
  readonly isDeny: boolean;
}

export const SECTIONS: readonly Section[] = [
  { name: "ingress", direction: "ingress", isDeny: false },
  { name: "ingressDeny", direction: "ingress", isDeny: true },
  { name: "egress", direction: "egress", isDeny: false },
  { name: "egressDeny", direction: "egress", isDeny: true },
];

const AUTH_MODES: readonly AuthMode[] = ["disabled", "required", "test-always-fail"];

/** Reads one element of a section. `isNode`: the rule's subject is the host. */
export function parseElement(
  value: unknown,
  at: Field,
  { direction, isDeny }: Section,
  scope: Scope,
  isNode: boolean,
): PeerRule | undefined {
  const reader = new PeerReader(direction, isDeny, scope);
  const place = { direction, isDeny, isNode, namespace: scope.namespace };
  let toPorts: readonly PortRule[] = [];
  let icmps: readonly PortRule[] = [];
  let auth: AuthMode | undefined;
  const isRead = at.object(
    value,
    {
      ...reader.fields(),
      toPorts: (content, field) => {
        toPorts = parseToPorts(content, field, place) ?? [];
      },
      icmps: (content, field) => {
        icmps = parseIcmps(content, field) ?? [];
      },
      ...(isDeny
        ? {}
        : {
            authentication: (content, field) => {
              auth = parseAuthentication(content, field);
            },
          }),
    },
    { refused: reader.refused() },
  );
  if (!isRead) return undefined;
  const peers = reader.finish(at);
  if (toPorts.length > 0 && icmps.length > 0)
    at.child("icmps").refuse("cannot stand beside toPorts", "write one element for each");
  const ports = [...toPorts, ...icmps];
  return {
    direction,
    verdict: isDeny ? "deny" : "allow",
    tier: Tier.Normal,
    priority: 0,
    peers: peersOf(peers, ports.length > 0),
    ...(ports.length > 0 ? { ports } : {}),
    ...(auth === undefined ? {} : { auth }),
    path: at.path,
  };
}

function parseAuthentication(value: unknown, at: Field): AuthMode | undefined {
  let mode: AuthMode | undefined;
  at.object(
    value,
    {
      mode: (content, field) => {
        mode = field.choice(content, AUTH_MODES);
      },
    },
    { required: ["mode"] },
  );
  return mode;
}

/** No peer field at all means any peer, but only together with ports: `{}` selects nobody. */
function peersOf(peers: Peers, hasPorts: boolean): PeerRule["peers"] {
  if (peers.hasEmptyList) return [];
  // The list was filled one by one, and has room to spare.
  if (peers.present.length > 0) return peers.peers.slice();
  return hasPorts ? [WILDCARD] : [];
}
