import { maskPort, PORT_BITS, portPrefixes } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import { type Action, actionOf } from "./filter.ts";
import { mergeOrigins, type Origins, type OriginTable } from "./origin.ts";
import type { PolicyMapEntry } from "./policy-map.ts";
import type { Grant } from "./port-resolution.ts";
import type { Segments } from "./redirects.ts";

/** Cilium's numbers for rules of the highest priority: deny, redirect to HTTP, allow. */
const PRECEDENCE: Readonly<Record<Action, number>> = {
  deny: 0xffff_ffff,
  redirect: 0xffff_ff9a,
  allow: 0xffff_ff01,
};

interface Draft {
  readonly protocol: number;
  readonly port: number;
  readonly prefix: number;
  readonly action: Action;
  readonly redirect?: string;
  readonly origins: Origins;
}

type Drafts = Map<number, Draft>;

/** One number for protocol, prefix length and port. */
export function blockKey(protocol: number, port: number, prefix: number): number {
  return (protocol * (PORT_BITS + 1) + prefix) * 65_536 + port;
}

/** The policy maps of one direction before they are checked against each other: by identity, by block. */
export class EntryDrafts {
  private readonly byIdentity = new Map<number, Drafts>();
  private readonly direction: Direction;

  constructor(direction: Direction) {
    this.direction = direction;
  }

  add(grant: Grant, segments: Segments): void {
    if (grant.isCovered) return;
    const action = actionOf(grant.verdict);
    const { protocol, verdict } = grant;
    const pieces =
      action === "redirect" ? segments.of(grant) : [{ first: grant.first, last: grant.last, key: undefined }];
    for (const { first, last, key } of pieces) {
      const redirect = key === undefined ? {} : { redirect: key };
      for (const { port, prefix } of portPrefixes(first, last)) {
        const draft = { protocol, port, prefix, action, ...redirect, origins: verdict.origins };
        for (const identity of grant.identities) this.insert(identity, draft);
      }
    }
  }

  /**
   * The entries that are needed, sorted. A longest-prefix match finds only the narrowest block, so a block is left out
   * where a wider one of the same peer, or one of every peer, outranks it or denies anyway.
   */
  finish(origins: OriginTable): PolicyMapEntry[] {
    const everyPeer = this.byIdentity.get(0);
    const entries = [...this.byIdentity].flatMap(([identity, drafts]) =>
      [...drafts.values()]
        .filter((draft) => !isShadowed(draft, drafts, identity === 0 ? undefined : everyPeer))
        .map((draft) => this.entry(identity, draft, origins)),
    );
    return entries.sort(byKey);
  }

  private insert(identity: number, draft: Draft): void {
    let drafts = this.byIdentity.get(identity);
    if (drafts === undefined) {
      drafts = new Map();
      this.byIdentity.set(identity, drafts);
    }
    const key = blockKey(draft.protocol, draft.port, draft.prefix);
    const known = drafts.get(key);
    drafts.set(key, known === undefined ? draft : stronger(known, draft));
  }

  private entry(identity: number, draft: Draft, origins: OriginTable): PolicyMapEntry {
    const { protocol, port, prefix, action, redirect } = draft;
    return {
      direction: this.direction,
      identity,
      protocol,
      port,
      portPrefix: prefix,
      deny: action === "deny",
      precedence: PRECEDENCE[action],
      authType: 0,
      ...(redirect === undefined ? {} : { redirect }),
      origin: origins.indexOf(draft.origins),
    };
  }
}

function stronger(a: Draft, b: Draft): Draft {
  if (a.action !== b.action) return PRECEDENCE[a.action] > PRECEDENCE[b.action] ? a : b;
  return { ...a, origins: mergeOrigins(a.origins, b.origins) };
}

function outranks(wide: Draft | undefined, narrow: Draft): boolean {
  return wide !== undefined && (wide.action === "deny" || PRECEDENCE[wide.action] > PRECEDENCE[narrow.action]);
}

function isShadowed(draft: Draft, own: Drafts, everyPeer: Drafts | undefined): boolean {
  const { protocol, port, prefix } = draft;
  for (let length = prefix; length >= 0; length--) {
    const key = blockKey(protocol, maskPort(port, length), length);
    if (length < prefix && outranks(own.get(key), draft)) return true;
    if (everyPeer !== undefined && outranks(everyPeer.get(key), draft)) return true;
  }
  if (protocol === Protocol.Any) return false;
  const everything = blockKey(Protocol.Any, 0, 0);
  return outranks(own.get(everything), draft) || outranks(everyPeer?.get(everything), draft);
}

function byKey(a: PolicyMapEntry, b: PolicyMapEntry): number {
  return a.identity - b.identity || a.protocol - b.protocol || a.portPrefix - b.portPrefix || a.port - b.port;
}
