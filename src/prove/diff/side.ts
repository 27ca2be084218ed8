import type { Direction } from "../../model/verdict.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { verdictBounds } from "../../policy/lookup.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { rulesFor } from "../../policy/stance.ts";
import type { Cluster } from "../cluster.ts";
import { OPEN, type Word, wordOf } from "./word.ts";

/** What one direction of one subject says to one peer, at every port. Equal contents are one object. */
export interface SideContent {
  readonly id: number;
  /** By protocol the first ports of parts, and what holds in each; 0 = all protocols that are not there. */
  readonly parts: ReadonlyMap<number, readonly Part[]>;
}

interface Part {
  readonly first: number;
  readonly word: Word;
}

/** Makes equal contents one object, whichever world they are from. */
export class Contents {
  private readonly known = new Map<string, SideContent>();
  /** Where nobody judges. */
  readonly open = this.of(new Map([[0, [{ first: 0, word: OPEN }]]]));

  of(parts: ReadonlyMap<number, readonly Part[]>): SideContent {
    const text = JSON.stringify([...parts].map(([protocol, list]) => [protocol, list.map(partText)]));
    const found = this.known.get(text) ?? { id: this.known.size, parts };
    this.known.set(text, found);
    return found;
  }
}

function partText({ first, word }: Part): [number, string] {
  return [first, word.text];
}

/** Contents of one direction of a policy, by the identity of the peer. */
interface DirectionContents {
  readonly byIdentity: ReadonlyMap<number, SideContent>;
  readonly rest: SideContent;
}

/** One of the two worlds: what each of its subjects says to each peer. */
export class SideWorld {
  readonly cluster: Cluster;
  private readonly contents: Contents;
  private readonly known = new Map<string, DirectionContents | "conflict">();
  private readonly ruleNumbers: Map<string, number>;
  private readonly numberOf = new WeakMap<object, number>();

  /** `ruleNumbers` is shared by the worlds that are compared. */
  constructor(cluster: Cluster, contents: Contents, ruleNumbers: Map<string, number>) {
    this.cluster = cluster;
    this.contents = contents;
    this.ruleNumbers = ruleNumbers;
  }

  /** `conflict` = the subject's rules cannot stand together. */
  contentOf(direction: Direction, subject: Somebody, peer: Somebody): SideContent | "conflict" {
    if (!subject.isEndpoint) return this.contents.open;
    const key = `${direction} ${subject.identity}`;
    const all = this.known.get(key) ?? this.contentsOf(direction, subject);
    this.known.set(key, all);
    return all === "conflict" ? all : (all.byIdentity.get(peer.identity) ?? all.rest);
  }

  /** What decides the subject's policy: equal text, equal policy as long as identities, services and groups are the same. */
  rulesText(direction: Direction, subject: Somebody): string {
    const rules = rulesFor(this.cluster.engine.repository, subject).flatMap(({ rule }) => {
      let number = this.numberOf.get(rule);
      if (number === undefined) {
        const text = JSON.stringify([rule.isNode, rule.elements, rule.defaultDeny]);
        number = this.ruleNumbers.get(text) ?? this.ruleNumbers.size;
        this.ruleNumbers.set(text, number);
        this.numberOf.set(rule, number);
      }
      return rule.elements.some((element) => element.direction === direction) ? [number] : [];
    });
    return rules.sort((a, b) => a - b).join(",");
  }

  private contentsOf(direction: Direction, subject: Somebody): DirectionContents | "conflict" {
    const policy = this.cluster.engine.policyOf(subject);
    if (policy instanceof PolicyConflict) return "conflict";
    const byIdentity = new Map<number, SideContent>();
    for (const { ids } of policy[direction].peers) {
      const [identity] = ids;
      if (identity === undefined) continue;
      const content = this.contentFor(policy, direction, identity);
      for (const id of ids) byIdentity.set(id, content);
    }
    return { byIdentity, rest: this.contentFor(policy, direction, NOBODY) };
  }

  private contentFor(policy: ComputedPolicy, direction: Direction, identity: number): SideContent {
    const { secrets } = this.cluster.engine;
    const bounds = new Map<number, readonly number[]>([[0, [0]], ...verdictBounds(policy, { direction, identity })]);
    const parts = new Map<number, Part[]>();
    for (const [protocol, starts] of [...bounds].sort(([a], [b]) => a - b)) {
      const list: Part[] = [];
      for (const first of starts) {
        const word = wordOf(policy, { direction, identity, protocol, port: first }, secrets);
        if (list.at(-1)?.word.text !== word.text) list.push({ first, word });
      }
      parts.set(protocol, list);
    }
    const rest = parts.get(0)![0]!.word.text;
    for (const [protocol, list] of parts)
      if (protocol !== 0 && list.length === 1 && list[0]!.word.text === rest) parts.delete(protocol);
    return this.contents.of(parts);
  }
}

/** An identity that no selector selects. */
const NOBODY = -1;
