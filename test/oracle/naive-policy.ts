import { compareText } from "../../src/model/label.ts";
import { Protocol, protocolNumber } from "../../src/model/protocol.ts";
import { type FqdnSelector, labelSelector, requirement, WILDCARD } from "../../src/model/selector.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { parseCidrGroup } from "../../src/policy/cidr-group.ts";
import { compileDnsRules } from "../../src/policy/dns-rule.ts";
import { compileHttpRules, type Secrets } from "../../src/policy/http-rule.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { type CidrGroup, type PeerRule, type PolicyKey, type Rule, Tier } from "../../src/policy/rule.ts";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import { compileServerNames } from "../../src/policy/server-name.ts";
import { type Choices, Contradiction, mergeElements, type Said } from "./naive-merge.ts";
import { findParty, isSelected, type OutsideFacts, ownPort, type Party, pods } from "./naive-world.ts";

/**
 * A second opinion on scenarios. Every question goes through all rules again, in the order in which Cilium ranks them: no
 * identities, caches, maps or precedence numbers, and of the engine only the parser and the matchers of L7 rules.
 */

interface NaiveSide {
  readonly verdict: "allowed" | "denied" | "redirect" | "error";
  readonly enforced: boolean;
  readonly matched: boolean;
}

export interface NaiveAnswer {
  readonly id: string;
  readonly policy?: number;
  readonly verdict: "allowed" | "denied" | "redirect" | "unknown" | "error" | "invalid";
  readonly final?: "forwarded" | "dropped";
  readonly ingress?: NaiveSide;
  readonly egress?: NaiveSide;
}

interface NaivePolicy {
  readonly key: PolicyKey;
  readonly rules: readonly Rule[];
}

interface World extends OutsideFacts {
  readonly scenario: Scenario;
  readonly policies: readonly NaivePolicy[];
  readonly choices: Choices;
}

/** Refused policies first, then one answer a query. */
export function naiveAnswers(scenario: Scenario, choices: Choices = {}): NaiveAnswer[] {
  const policies: NaivePolicy[] = [];
  const groups: CidrGroup[] = [];
  const refused: NaiveAnswer[] = [];
  for (const [policy, object] of scenario.policies.entries()) {
    if ((object as { kind?: string }).kind === "CiliumCIDRGroup") {
      const result = parseCidrGroup(object);
      if (result.ok) groups.push(result.group);
      else refused.push({ id: "!policy", policy, verdict: "invalid" });
    } else {
      const { clusterName, nodeSelectorLabels } = scenario.config ?? {};
      const result = parsePolicy(object, {
        ...(clusterName === undefined ? {} : { clusterName }),
        ...(nodeSelectorLabels === undefined ? {} : { nodeSelectorLabels }),
      });
      if (result.ok) policies.push(result);
      else refused.push({ id: "!policy", policy, verdict: "invalid" });
    }
  }
  const world: World = { scenario, choices, policies, groups, fqdns: fqdnsOf(policies) };
  return [...refused, ...scenario.queries.map((query) => answer(world, query))];
}

function fqdnsOf(policies: readonly NaivePolicy[]): FqdnSelector[] {
  const elements = policies.flatMap(({ rules }) => rules).flatMap((rule) => rule.elements);
  return elements.flatMap(({ peers }) => peers.filter((peer): peer is FqdnSelector => peer.kind === "fqdn"));
}

interface Judged extends NaiveSide {
  /** The proxy's word; undefined when it was not asked, or when there is no proxy. */
  readonly passes?: boolean;
}

function answer(world: World, query: ScenarioQuery): NaiveAnswer {
  const { id, direction = "both" } = query;
  const from = findParty(world.scenario, world, query.from);
  const to = findParty(world.scenario, world, query.to);
  if (from === undefined || to === undefined) return { id, verdict: "unknown" };
  const side = (subject: Party, peer: Party, wanted: Direction) =>
    subject.isSubject && (direction === wanted || direction === "both")
      ? judge(world, wanted, subject, peer, query)
      : undefined;
  const egress = side(from, to, "egress");
  const ingress = side(to, from, "ingress");
  const sides = [egress, ingress].filter((each) => each !== undefined);
  const has = (verdict: NaiveSide["verdict"]) => sides.some((each) => each.verdict === verdict);
  const verdict = has("error") ? "error" : has("denied") ? "denied" : has("redirect") ? "redirect" : "allowed";
  const isDropped = has("denied") || sides.some(({ passes }) => passes === false);
  const isKnown = isDropped || sides.every((each) => each.verdict !== "redirect" || each.passes !== undefined);
  return {
    id,
    verdict,
    ...(isKnown && verdict !== "error" ? { final: isDropped ? ("dropped" as const) : ("forwarded" as const) } : {}),
    ...(ingress === undefined ? {} : { ingress: withoutPasses(ingress) }),
    ...(egress === undefined ? {} : { egress: withoutPasses(egress) }),
  };
}

function withoutPasses({ passes: _, ...side }: Judged): NaiveSide {
  return side;
}

function resourceOf({ kind, namespace, name }: PolicyKey): string {
  const short: Record<string, string> = {
    CiliumNetworkPolicy: "cnp",
    CiliumClusterwideNetworkPolicy: "ccnp",
    NetworkPolicy: "netpol",
    ClusterNetworkPolicy: "kcnp",
  };
  return `${short[kind]}/${namespace}/${name}`;
}

interface Applying {
  readonly elements: readonly PeerRule[];
  readonly isDefaultDeny: boolean;
}

/** The elements about the subject in Cilium's order, and whether any of them turns default deny on. */
function applyingTo({ scenario, policies }: World, subject: Party, direction: Direction): Applying {
  const inOrder = [...policies].sort((a, b) => compareText(resourceOf(a.key), resourceOf(b.key)));
  const rules = inOrder
    .flatMap((policy) => policy.rules)
    .filter(({ subject: selector, isNode }) => isNode === subject.isHost && isSelected(scenario, selector, subject));
  const found = rules.flatMap(({ elements, defaultDeny }) =>
    elements
      .filter((element) => element.direction === direction)
      .map((element) => ({ element, isDefaultDeny: defaultDeny[direction] })),
  );
  return {
    elements: found.map(({ element }) => element).sort((a, b) => a.tier - b.tier || a.priority - b.priority),
    isDefaultDeny: found.some((each) => each.isDefaultDeny),
  };
}

const HOST = labelSelector([requirement("reserved:host", "In", [""])]);

/** What stands behind all rules. */
function defaults(
  world: World,
  subject: Party,
  direction: Direction,
  { elements, isDefaultDeny }: Applying,
): PeerRule[] {
  const last = { direction, tier: Tier.Default, path: "" };
  if (!isDefaultDeny) return [{ ...last, verdict: "allow", priority: 0, peers: [WILDCARD] }];
  const allowLocalhost = world.scenario.config?.allowLocalhost ?? "always";
  const isHostAllowed = direction === "ingress" && !subject.isHost && allowLocalhost !== "policy";
  const hasPass = elements.some(({ verdict }) => verdict === "pass");
  return [
    ...(isHostAllowed ? [{ ...last, verdict: "allow" as const, priority: 0, peers: [HOST] }] : []),
    ...(hasPass ? [{ ...last, verdict: "deny" as const, priority: 1, peers: [WILDCARD] }] : []),
  ];
}

function judge(world: World, direction: Direction, subject: Party, peer: Party, query: ScenarioQuery): Judged {
  try {
    // A contradiction in one direction leaves the subject without any policy.
    const [ingress, egress] = [sayings(world, subject, "ingress"), sayings(world, subject, "egress")];
    const said = direction === "ingress" ? ingress : egress;
    if (said === undefined) return { verdict: "allowed", enforced: false, matched: true };
    const matching = said
      .filter(({ selector }) => isSelected(world.scenario, selector, peer))
      .filter((each) => isAimedAt(direction, each, subject, peer, query))
      .sort((a, b) => a.tier - b.tier || a.priority - b.priority || rank(b) - rank(a));
    const names = () =>
      world.choices.unitedNames
        ? passesUnited(matching, query)
        : passesDns(
            world,
            said.filter((each) => beginsAt(world, direction, each, said, subject, query)),
            peer,
            query,
          );
    const envoy = (first: Said) => passesEnvoy(world, matching, first, query);
    return decide(matching, (first) => (first.parser === "dns" ? names() : envoy(first)));
  } catch (error) {
    if (error instanceof Contradiction) return { verdict: "error", enforced: false, matched: false };
    throw error;
  }
}

/** All that is said about the subject in one direction; undefined where policy is not enforced. */
function sayings(world: World, subject: Party, direction: Direction): Said[] | undefined {
  const mode = world.scenario.config?.policyMode ?? "default";
  const found = applyingTo(world, subject, direction);
  const isForced = mode === "always" || subject.labels.some(({ key }) => key === "init");
  if (mode === "never" || (found.elements.length === 0 && !isForced)) return undefined;
  const isDefaultDeny = found.isDefaultDeny || isForced;
  const behind = found.elements.length > 0 ? defaults(world, subject, direction, { ...found, isDefaultDeny }) : [];
  return mergeElements([...found.elements, ...behind], world.scenario, isDefaultDeny, world.choices);
}

/** Within one level: deny, then redirects, then allow, then pass. */
function rank({ verdict, parser, listenerPriority }: Said): number {
  if (verdict === "deny") return 255;
  if (verdict === "pass") return 0;
  return parser === "" ? 1 : 255 - listenerPriority;
}

function isAimedAt(direction: Direction, { filter }: Said, subject: Party, peer: Party, query: ScenarioQuery): boolean {
  const protocol = protocolNumber(query.proto ?? "TCP")!;
  const port = Number(query.port ?? 0);
  if (filter.protocol === Protocol.Any) return true;
  if (filter.protocol !== protocol) return false;
  if (filter.name === undefined) {
    return filter.port === 0 || (port >= filter.port && port <= Math.max(filter.port, filter.endPort));
  }
  if (direction === "egress") return ownPort(peer, filter.name, protocol) === port;
  const own = ownPort(subject, filter.name, protocol);
  return own !== undefined && port >= own && port <= Math.max(own, filter.endPort);
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

function decide(matching: readonly Said[], proxy: (first: Said) => boolean | undefined): Judged {
  const enforced = true;
  const first = walk(matching, () => true);
  if (first === undefined) return { verdict: "denied", enforced, matched: false };
  if (first.verdict === "deny") return { verdict: "denied", enforced, matched: true };
  if (first.parser === "") return { verdict: "allowed", enforced, matched: true };
  const passes = proxy(first);
  return { verdict: "redirect", enforced, matched: true, ...(passes === undefined ? {} : { passes }) };
}

/** Whether a filter begins at the very port of the query; one with a name does where it stands for that port at anybody. */
function beginsAt(
  { scenario }: World,
  direction: Direction,
  { filter }: Said,
  said: readonly Said[],
  subject: Party,
  query: ScenarioQuery,
): boolean {
  const protocol = protocolNumber(query.proto ?? "TCP")!;
  const { name, port } = filter;
  if (filter.protocol !== protocol) return false;
  if (name === undefined) return port === query.port;
  if (direction === "ingress") return ownPort(subject, name, protocol) === query.port;
  const selectors = said.filter((each) => each.filter === filter).map(({ selector }) => selector);
  return pods(scenario).some(
    (pod) =>
      selectors.some((selector) => isSelected(scenario, selector, pod)) && ownPort(pod, name, protocol) === query.port,
  );
}

/**
 * The DNS proxy knows one filter for a port: of the first tier, a named one before a number. In it a selector without DNS
 * rules lets every name through.
 */
function passesDns(
  { scenario }: World,
  said: readonly Said[],
  peer: Party,
  { dns }: ScenarioQuery,
): boolean | undefined {
  if (dns === undefined) return undefined;
  const proxied = said.filter(({ parser }) => parser === "dns");
  const [first] = proxied.sort((a, b) => a.tier - b.tier || compareText(b.filter.name ?? "", a.filter.name ?? ""));
  const here = said.filter(({ filter, selector }) => filter === first?.filter && isSelected(scenario, selector, peer));
  return here.some((each) => each.dns.length === 0 || compileDnsRules(each.dns)(dns));
}

function passesUnited(matching: readonly Said[], { dns }: ScenarioQuery): boolean | undefined {
  if (dns === undefined) return undefined;
  const isExact = ({ filter: { protocol, name, port, endPort } }: Said) =>
    protocol !== Protocol.Any && (name === undefined ? port > 0 && endPort <= port : endPort === 0);
  const hasName = (said: Said) => said.dns.length === 0 || compileDnsRules(said.dns)(dns);
  return firstAllowing(matching.filter(isExact), hasName) !== undefined;
}

/**
 * A new connection is judged by the name that its TLS client asks for, a client without one by no name, and then the request
 * where the proxy reads HTTP.
 */
function passesEnvoy(
  { scenario, choices }: World,
  matching: readonly Said[],
  first: Said,
  { http, sni }: ScenarioQuery,
): boolean | undefined {
  // Only a listener of the user's own knows what it does.
  if (first.parser === "crd" || (http === undefined && sni === undefined)) return undefined;
  const hasName = ({ serverNames }: Said) => serverNames.length === 0 || compileServerNames(serverNames)(sni);
  const hasRequest = (said: Said) =>
    said.http.length === 0 || compileHttpRules(said.http)(requestOf(http ?? {}), secretsOf(scenario));
  const isRead = (said: Said) => http !== undefined || said.http.length === 0;
  if (choices.namesOfRequests) {
    // A missing request does not matter where all requests, or none, would pass.
    if (firstAllowing(matching, (said) => hasName(said) && isRead(said) && hasRequest(said))) return true;
    const isOpen =
      firstAllowing(matching, (said) => hasName(said) && (!isRead(said) || hasRequest(said))) !== undefined;
    return isOpen ? undefined : false;
  }
  if (firstAllowing(matching, hasName) === undefined) return false;
  if (first.parser === "tls") return true;
  return http === undefined ? undefined : firstAllowing(matching, hasRequest) !== undefined;
}

function firstAllowing(matching: readonly Said[], means: (said: Said) => boolean): Said | undefined {
  const found = walk(matching, (said) => said.verdict !== "allow" || (said.listener === "" && means(said)));
  return found?.verdict === "allow" ? found : undefined;
}

function requestOf({ method = "GET", path = "/", host = "", headers = {} }: NonNullable<ScenarioQuery["http"]>) {
  return { method, path, host, headers: Object.entries(headers).map(([name, value]) => ({ name, value })) };
}

/** A secret stands for the only value in it. */
function secretsOf({ secrets = {} }: Scenario): Secrets {
  return new Map(Object.entries(secrets).map(([name, values]) => [name, Object.values(values)[0] ?? ""]));
}
