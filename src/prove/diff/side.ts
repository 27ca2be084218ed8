import { DIRECTIONS, type Direction } from "../../model/verdict.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { verdictBounds } from "../../policy/lookup.ts";
import type { PolicyKey, Rule } from "../../policy/rule.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { isAbout } from "../../policy/stance.ts";
import type { Cluster } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
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

/** A rule of a policy. */
export interface OwnedRule {
  readonly key: PolicyKey;
  readonly rule: Rule;
}

/** Rules of each side that the other has not: the others say the same to whoever looks the same on both. */
export function differingRules(before: Inventory, after: Inventory): [OwnedRule[], OwnedRule[]] {
  const [was, is] = [before, after].map(({ policies }) =>
    policies.flatMap(({ key, rules }) => rules.map((rule): OwnedRule => ({ key, rule }))),
  ) as [OwnedRule[], OwnedRule[]];
  return [beyond(was, is), beyond(is, was)];
}

function beyond(some: readonly OwnedRule[], others: readonly OwnedRule[]): OwnedRule[] {
  // What was read from the same text is the same object.
  const known = new Set(others.map(({ rule }) => rule));
  return some.filter(({ rule }) => !known.has(rule));
}

/** What a rule says in a direction, as a number: equal numbers, equal words. */
type RuleNumbers = Readonly<Partial<Record<Direction, number>>>;

/** One of the two worlds: what each of its subjects says to each peer. */
export class SideWorld {
  readonly cluster: Cluster;
  private readonly contents: Contents;
  private readonly known = {
    ingress: new Map<number, DirectionContents | "conflict">(),
    egress: new Map<number, DirectionContents | "conflict">(),
  };
  private readonly ruleNumbers: Map<string, number>;
  private readonly numbers = new WeakMap<Rule, RuleNumbers>();

  /** `ruleNumbers` is shared by the worlds that are compared. */
  constructor(cluster: Cluster, contents: Contents, ruleNumbers: Map<string, number>) {
    this.cluster = cluster;
    this.contents = contents;
    this.ruleNumbers = ruleNumbers;
  }

  /** `conflict` = the subject's rules cannot stand together. */
  contentOf(direction: Direction, subject: Somebody, peer: Somebody): SideContent | "conflict" {
    if (!subject.isEndpoint) return this.contents.open;
    let all = this.known[direction].get(subject.identity);
    if (all === undefined) {
      all = this.contentsOf(direction, subject);
      this.known[direction].set(subject.identity, all);
    }
    return all === "conflict" ? all : (all.byIdentity.get(peer.identity) ?? all.rest);
  }

  /**
   * What decides the subject's policy, as far as the sides differ (`differingRules`): equal texts, equal policy as long as
   * identities, services and groups are the same.
   */
  rulesOf(subject: Somebody, differing: readonly OwnedRule[]): Readonly<Record<Direction, string>> {
    const own = differing.filter(({ key, rule }) => isAbout(key, rule, subject));
    const rules = own.map((owned) => this.numbersOf(owned));
    const text = (direction: Direction) =>
      rules
        .flatMap((numbers) => numbers[direction] ?? [])
        .sort((a, b) => a - b)
        .join();
    return { ingress: text("ingress"), egress: text("egress") };
  }

  private numbersOf({ key, rule }: OwnedRule): RuleNumbers {
    const known = this.numbers.get(rule);
    if (known !== undefined) return known;
    const made = Object.fromEntries(
      DIRECTIONS.flatMap((direction) => {
        const elements = rule.elements.filter((element) => element.direction === direction);
        if (elements.length === 0) return [];
        const said = JSON.stringify([rule.isNode, elements, rule.defaultDeny[direction]]);
        // Policies edit headers one after the other, by their names.
        const text = said.includes('"mismatch":') ? `${said} ${key.kind} ${key.namespace} ${key.name}` : said;
        const number = this.ruleNumbers.get(text) ?? this.ruleNumbers.size;
        this.ruleNumbers.set(text, number);
        return [[direction, number] as const];
      }),
    );
    this.numbers.set(rule, made);
    return made;
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
