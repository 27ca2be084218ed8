import { labelSelector, requirement, WILDCARD } from "../../src/model/selector.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { parseCidrGroup } from "../../src/policy/cidr-group.ts";
import { compileDnsRules } from "../../src/policy/dns-rule.ts";
import { compileHttpRules } from "../../src/policy/http-rule.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { type PeerRule, type PolicyKey, type Rule, Tier } from "../../src/policy/rule.ts";
import type { Answer, Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import type { DirectionAnswer } from "../../src/policy/scenario-format.ts";
import { compileServerNames } from "../../src/policy/server-name.ts";
import { Contradiction, mergeElements, type Said } from "./naive-said.ts";
import { findParty, isAimedAt, isSelected, type OutsideFacts, type Party } from "./naive-world.ts";

/**
 * A second opinion on scenarios. Every question goes through all rules again, in the order in which Cilium ranks them: no
 * identities, caches, maps or precedence numbers, and of the engine only the parser and the matchers of L7 rules.
 */

type NaiveSide = Pick<DirectionAnswer, "verdict" | "enforced" | "matched"> & {
  /** The proxy's word; undefined when it was not asked, or when there is no proxy. */
  readonly passes?: boolean | undefined;
};

export type NaiveAnswer = Pick<Answer, "id" | "policy" | "verdict" | "final"> & Partial<Record<Direction, NaiveSide>>;

interface World extends OutsideFacts {
  readonly scenario: Scenario;
  readonly policies: readonly { readonly key: PolicyKey; readonly rules: readonly Rule[] }[];
}

/** Refused policies first, then one answer a query. */
export function naiveAnswers(scenario: Scenario): NaiveAnswer[] {
  const { clusterName = "default", nodeSelectorLabels = false } = scenario.config ?? {};
  const isGroup = (object: unknown) => (object as { kind?: string }).kind === "CiliumCIDRGroup";
  const read = scenario.policies.map((object) =>
    isGroup(object) ? parseCidrGroup(object) : parsePolicy(object, { clusterName, nodeSelectorLabels }),
  );
  const policies = read.flatMap((each) => (each.ok && "rules" in each ? [each] : []));
  const groups = read.flatMap((each) => (each.ok && "group" in each ? [each.group] : []));
  const elements = policies.flatMap(({ rules }) => rules.flatMap((rule) => rule.elements));
  const fqdns = elements.flatMap(({ peers }) => peers.filter((peer) => peer.kind === "fqdn"));
  const refused = read.flatMap(({ ok }, policy) =>
    ok ? [] : [{ id: "!policy", policy, verdict: "invalid" as const }],
  );
  return [...refused, ...scenario.queries.map((query) => answer({ scenario, policies, groups, fqdns }, query))];
}

function answer(world: World, query: ScenarioQuery): NaiveAnswer {
  const { id, direction = "both" } = query;
  const from = findParty(world.scenario, world, query.from);
  const to = findParty(world.scenario, world, query.to);
  if (from === undefined || to === undefined) return { id, verdict: "unknown" };
  const side = (wanted: Direction, subject: Party, peer: Party) =>
    subject.isSubject && (direction === wanted || direction === "both")
      ? { [wanted]: judge(world, wanted, subject, peer, query) }
      : {};
  const sides: Partial<Record<Direction, NaiveSide>> = { ...side("egress", from, to), ...side("ingress", to, from) };
  const all = Object.values(sides);
  const has = (verdict: NaiveSide["verdict"]) => all.some((each) => each.verdict === verdict);
  const verdict = (["error", "denied", "redirect"] as const).find(has) ?? "allowed";
  const isDropped = has("denied") || all.some(({ passes }) => passes === false);
  const isKnown = isDropped || all.every((each) => each.verdict !== "redirect" || each.passes !== undefined);
  const final = verdict === "error" || !isKnown ? {} : ({ final: isDropped ? "dropped" : "forwarded" } as const);
  return { id, verdict, ...final, ...sides };
}

const HOST = labelSelector([requirement("reserved:host", "In", [""])]);

/** All that is said about the subject in one direction, in Cilium's order; undefined where policy is not enforced. */
function sayings({ scenario, policies }: World, subject: Party, direction: Direction): Said[] | undefined {
  const { policyMode: mode = "default", allowLocalhost = "always" } = scenario.config ?? {};
  const nameOf = ({ key: { kind, namespace, name } }: (typeof policies)[number]) => `${kind}/${namespace}/${name}`;
  const rules = [...policies]
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .flatMap((policy) => policy.rules)
    .filter((rule) => rule.isNode === subject.isHost && isSelected(scenario, rule.subject, subject))
    .filter(({ elements }) => elements.some((element) => element.direction === direction));
  const isInit = subject.labels.some(({ source, key }) => source === "reserved" && key === "init");
  const isForced = mode === "always" || isInit;
  if (mode === "never" || (rules.length === 0 && !isForced)) return undefined;
  const isDefaultDeny = isForced || rules.some(({ defaultDeny }) => defaultDeny[direction]);
  const elements = rules
    .flatMap((rule) => rule.elements.filter((element) => element.direction === direction))
    .sort((a, b) => a.tier - b.tier || a.priority - b.priority);
  const last = (verdict: "allow" | "deny", priority: number, peer = WILDCARD): PeerRule[] =>
    rules.length === 0 ? [] : [{ direction, tier: Tier.Default, path: "", verdict, priority, peers: [peer] }];
  const isHostAllowed = direction === "ingress" && !subject.isHost && allowLocalhost !== "policy";
  const hasPass = elements.some(({ verdict }) => verdict === "pass");
  const closed = [...(isHostAllowed ? last("allow", 0, HOST) : []), ...(hasPass ? last("deny", 1) : [])];
  return mergeElements([...elements, ...(isDefaultDeny ? closed : last("allow", 0))], scenario, isDefaultDeny);
}

function judge(world: World, direction: Direction, subject: Party, peer: Party, query: ScenarioQuery): NaiveSide {
  try {
    // A contradiction in one direction leaves the subject without any policy.
    const both = { ingress: sayings(world, subject, "ingress"), egress: sayings(world, subject, "egress") };
    const said = both[direction];
    if (said === undefined) return { verdict: "allowed", enforced: false, matched: true };
    const matching = said
      .filter(({ selector }) => isSelected(world.scenario, selector, peer))
      .filter(({ filter }) => isAimedAt(filter, direction, subject, peer, query))
      .sort((a, b) => a.tier - b.tier || a.priority - b.priority || rank(b) - rank(a));
    const first = walk(matching, () => true);
    if (first === undefined) return { verdict: "denied", enforced: true, matched: false };
    if (first.verdict === "deny") return { verdict: "denied", enforced: true, matched: true };
    if (first.lead.parser === "") return { verdict: "allowed", enforced: true, matched: true };
    const passes = first.lead.parser === "dns" ? passesDns : passesEnvoy;
    return { verdict: "redirect", enforced: true, matched: true, passes: passes(matching, first, query, world) };
  } catch (error) {
    if (error instanceof Contradiction) return { verdict: "error", enforced: false, matched: false };
    throw error;
  }
}

/** Within one level: deny, then redirects, then allow, then pass. */
function rank({ verdict, lead: { parser, listenerPriority } }: Said): number {
  if (verdict !== "allow") return verdict === "deny" ? 255 : 0;
  return parser === "" ? 1 : 255 - listenerPriority;
}

/** Goes through what matches, best first; `means` may overlook one. A pass goes on behind its tier. */
function walk(matching: readonly Said[], means: (said: Said) => boolean): Said | undefined {
  let passedTier = 0;
  for (const said of matching) {
    if (said.tier <= passedTier || !means(said)) continue;
    if (said.verdict !== "pass") return said;
    passedTier = said.tier;
  }
  return undefined;
}

/** Whether the first with a word on the request allows it. What a listener of the user's own does nobody knows. */
function isAllowed(matching: readonly Said[], hasWord: (said: Said) => boolean): boolean {
  const means = (said: Said) => said.verdict !== "allow" || (said.lead.listener === "" && hasWord(said));
  return walk(matching, means)?.verdict === "allow";
}

/** The DNS proxy knows the rules that name the very port, of its own tier or with names. What passes on it never hears of. */
function passesDns(matching: readonly Said[], { tier }: Said, { dns }: ScenarioQuery): boolean | undefined {
  if (dns === undefined) return undefined;
  const isPort = ({ filter: { name, port, endPort } }: Said) =>
    name === undefined ? port > 0 && endPort <= port : endPort === 0;
  const isKnown = (said: Said) => isPort(said) && (said.lead.parser !== "" || said.tier === tier);
  return isAllowed(
    matching.filter((said) => said.verdict === "pass" || isKnown(said)),
    ({ wishes }) => wishes.some((wish) => wish.dns === undefined || compileDnsRules(wish.dns)(dns)),
  );
}

/**
 * A rule has a word on a request if its TLS client asked for a name that the rule has, a client without one for no name, and
 * the request is one that the rule has. A missing request does not matter where all requests, or none, would pass.
 */
function passesEnvoy(
  matching: readonly Said[],
  first: Said,
  { http, sni }: ScenarioQuery,
  { scenario: { secrets = {} } }: World,
): boolean | undefined {
  if (first.lead.parser === "crd" || (http === undefined && sni === undefined)) return undefined;
  const { method = "GET", path = "/", host = "", headers = {} } = http ?? {};
  const request = { method, path, host, headers: Object.entries(headers).map(([name, value]) => ({ name, value })) };
  // A secret stands for the only value in it.
  const values = new Map(Object.entries(secrets).map(([name, each]) => [name, Object.values(each)[0] ?? ""]));
  const passes = (unread: boolean) =>
    isAllowed(matching, ({ wishes }) => {
      const names = wishes.flatMap(({ serverNames = [] }) => serverNames);
      if (names.length > 0 && !compileServerNames(names)(sni)) return false;
      if (wishes.every((wish) => wish.http === undefined)) return true;
      if (http === undefined) return unread;
      return wishes.some((wish) => wish.http === undefined || compileHttpRules(wish.http)(request, values));
    });
  return passes(true) === passes(false) ? passes(true) : undefined;
}
