import type { LabelSelector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { ENTITIES, entitySelectors } from "./entities.ts";
import type { Field } from "./field.ts";
import { parseCidrPeer, parseCidrRule } from "./parse-cidr.ts";
import { parseFqdn } from "./parse-fqdn.ts";
import { parseSelector, type WrittenSelector } from "./parse-selector.ts";
import { parseService } from "./parse-services.ts";
import type { Peer } from "./rule.ts";
import { type Scope, scopeNode, scopePeer, toLabelSelector } from "./scope.ts";
import { contradiction, unseenKeys } from "./selector-sense.ts";

/** What the peer fields of one element say. */
export interface Peers {
  /** Names of the peer fields that are present and not empty. */
  readonly present: readonly string[];
  readonly peers: readonly Peer[];
  /** A peer field is there and empty: the element selects nobody. */
  readonly hasEmptyList: boolean;
}

type ReadPeers = (value: unknown, at: Field) => readonly Peer[];

/** Warns of a selector of pods that can select nothing, or that looks at labels which no identity has. */
export function warnOfSelector({ requirements }: LabelSelector, at: Field): void {
  const reason = contradiction(requirements);
  if (reason !== undefined) at.warn(`selects nothing: ${reason}`, "matches-nothing");
  for (const key of unseenKeys(requirements))
    at.warn(
      `label ${key} is not part of any identity, so nothing ever has it; select by another label`,
      "unseen-label",
    );
}

/** Collects the peer fields of one element as they are read. */
export class PeerReader {
  private readonly direction: Direction;
  private readonly scope: Scope;
  private readonly isDeny: boolean;
  private readonly present: string[] = [];
  private readonly peers: Peer[] = [];
  private hasEmptyList = false;

  constructor(direction: Direction, isDeny: boolean, scope: Scope) {
    this.direction = direction;
    this.isDeny = isDeny;
    this.scope = scope;
  }

  /** The readers of the peer fields, by name. */
  fields(): Record<string, (value: unknown, at: Field) => void> {
    const prefix = this.direction === "ingress" ? "from" : "to";
    const readers = {
      [`${prefix}Endpoints`]: this.reader((value, at) => this.labels(value, at, scopePeer)),
      [`${prefix}CIDR`]: this.reader(parseCidrPeer),
      [`${prefix}CIDRSet`]: this.reader(parseCidrRule),
      [`${prefix}Entities`]: this.reader((value, at) => this.entity(value, at)),
      [`${prefix}Nodes`]: this.nodes(),
      [`${prefix}Requires`]: (value: unknown, at: Field) => {
        if (Array.isArray(value) && value.length === 0) return;
        at.refuse("requirements are gone since Cilium 1.20", `write the labels into every ${prefix}Endpoints selector`);
      },
    };
    if (this.direction === "ingress") return readers;
    const { cluster } = this.scope;
    const toServices = this.reader((value, at) => parseService(value, at).map((peer) => ({ ...peer, cluster })), true);
    return { ...readers, toServices, ...(this.isDeny ? {} : { toFQDNs: this.reader(parseFqdn, true) }) };
  }

  /** Peer fields that are known to Cilium and refused here, with the mend. */
  refused(): Record<string, string> {
    if (this.direction === "ingress") return { fromGroups: "write the addresses into fromCIDRSet" };
    return { toGroups: "write the addresses into toCIDRSet" };
  }

  finish(at: Field): Peers {
    const [first, second] = this.present;
    if (second !== undefined) {
      at.refuse(`combining ${first} and ${second} is not supported`, "write one element for each");
    }
    return { present: this.present, peers: this.peers, hasEmptyList: this.hasEmptyList };
  }

  /** `isAbsentWhenEmpty`: Cilium does not tell an empty list of this field from none. */
  private reader(read: ReadPeers, isAbsentWhenEmpty = false): (value: unknown, at: Field) => void {
    return (value, at) => {
      const found = at.list(value, read);
      if (found === undefined || !Array.isArray(value)) return;
      if (value.length > 0) this.present.push(at.name);
      else if (isAbsentWhenEmpty) at.warn("an empty list counts as absent", "empty-list");
      else {
        this.hasEmptyList = true;
        at.warn("an empty list selects nobody; leave the field out to mean everybody on these ports", "empty-list");
      }
      for (const peer of found.flat()) this.peers.push(peer);
    };
  }

  private nodes(): (value: unknown, at: Field) => void {
    const read = this.reader((value, at) => this.labels(value, at, scopeNode));
    return (value, at) => {
      read(value, at);
      if (this.scope.nodeSelectorLabels || (Array.isArray(value) && value.length === 0)) return;
      const entities = at.name.replace("Nodes", "Entities");
      at.refuse("needs the option enable-node-selector-labels, which is off", `use ${entities}: [remote-node]`);
    };
  }

  private labels(
    value: unknown,
    at: Field,
    inScope: (written: WrittenSelector, scope: Scope) => WrittenSelector,
  ): Peer[] {
    const written = parseSelector(value, at);
    if (written === undefined) return [];
    const selector = toLabelSelector(inScope(written, this.scope));
    warnOfSelector(selector, at);
    return [selector];
  }

  private entity(value: unknown, at: Field): Peer[] {
    const name = at.text(value);
    if (name === undefined) return [];
    const selectors = entitySelectors(name, this.scope.entityCluster);
    if (selectors === undefined) at.refuse(`unsupported entity: ${name}`, `use one of: ${ENTITIES.join(", ")}`, name);
    if (name === "none") at.warn("selects nobody", "matches-nothing");
    return [...(selectors ?? [])];
  }
}
