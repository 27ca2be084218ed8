import { Protocol } from "../model/protocol.ts";
import { headerMatchFault } from "../policy/header-match-fault.ts";
import type { FieldError, Peer, PeerRule, PortRule, Rule } from "../policy/rule.ts";
import { Tier } from "../policy/rule.ts";

/** Protocols that the datapath looks up. */
const PROTOCOLS: ReadonlySet<number> = new Set([
  Protocol.Icmp,
  Protocol.Tcp,
  Protocol.Udp,
  Protocol.IcmpV6,
  Protocol.Sctp,
]);

const NOT_ENFORCED = "is not enforced here";

/**
 * What of a sound policy this datapath and proxy cannot enforce yet, each with the field and a mend; empty = all of it is.
 * Such a policy must be refused: an accepted rule that nobody enforces is worse than none.
 */
export function unenforceable(rules: readonly Rule[]): FieldError[] {
  return rules.flatMap(({ elements }) => elements.flatMap(elementErrors));
}

function error(field: string, mend: string): FieldError {
  return { field, message: `${field.slice(field.lastIndexOf(".") + 1)} ${NOT_ENFORCED}`, mend };
}

function elementErrors(element: PeerRule): FieldError[] {
  const { tier, path, auth, direction } = element;
  if (tier !== Tier.Normal) return [];
  const prefix = direction === "ingress" ? "from" : "to";
  return [
    ...element.peers.flatMap((peer) => peerErrors(peer, path, prefix)).filter(isFirstOfField),
    ...(auth === undefined || auth === "disabled"
      ? []
      : [error(`${path}.authentication`, "leave it out; there is no mutual authentication here")]),
    ...(element.ports ?? []).flatMap((rule, index) => portErrors(rule, `${path}.toPorts[${index}]`)),
  ];
}

function isFirstOfField({ field }: FieldError, index: number, all: readonly FieldError[]): boolean {
  return all.findIndex((other) => other.field === field) === index;
}

/** What is wrong with a peer that nobody resolves. */
function peerErrors(peer: Peer, path: string, prefix: string): FieldError[] {
  switch (peer.kind) {
    case "labels": {
      const isOfNodes = peer.requirements.some(({ source }) => source === "node");
      return isOfNodes ? [error(`${path}.${prefix}Nodes`, `use ${prefix}Entities: [remote-node]`)] : [];
    }
    case "cidr":
    case "cidrGroup":
    case "fqdn":
    case "service":
      return [];
  }
}

function portErrors(rule: PortRule, path: string): FieldError[] {
  const { http, terminatingTLS, originatingTLS, listener } = rule;
  const tls = "write the rule without TLS interception";
  const fields: readonly [isThere: boolean, name: string, mend: string][] = [
    [terminatingTLS !== undefined, "terminatingTLS", tls],
    [originatingTLS !== undefined, "originatingTLS", tls],
    [listener !== undefined, "listener", "leave the listener out"],
    [rule.ports.some(({ protocol }) => !PROTOCOLS.has(protocol)), "ports", "use TCP, UDP, SCTP or `icmps`"],
  ];
  const headers = (http ?? []).flatMap(({ headerMatches = [] }, index) =>
    headerMatches.flatMap((match, place): FieldError[] => {
      const field = `${path}.rules.http[${index}].headerMatches[${place}]`;
      const fault = headerMatchFault(match);
      return fault === undefined ? [] : [{ field, ...fault }];
    }),
  );
  return [...fields.flatMap(([isThere, name, mend]) => (isThere ? [error(`${path}.${name}`, mend)] : [])), ...headers];
}
