import { parseCidr } from "../../src/model/cidr.ts";
import { NAMESPACE_LABEL } from "../../src/model/identity.ts";
import { type Label, toLabels } from "../../src/model/label.ts";
import { Protocol } from "../../src/model/protocol.ts";
import {
  cidrSelector,
  labelSelector,
  requirement,
  type Selector,
  selects,
  WILDCARD,
} from "../../src/model/selector.ts";
import type { DnsRule, HttpRule } from "../../src/policy/l7-rule.ts";
import type { AuthMode, Peer, PeerRule, PortRule, PortSpec, RuleVerdict, ServicePeer } from "../../src/policy/rule.ts";
import type { Scenario } from "../../src/policy/scenario.ts";

type Parser = "" | "tls" | "crd" | "http" | "dns";

/** Lower goes first among redirects of one level. */
const LISTENER_PRIORITY: Readonly<Record<Parser, number>> = { "": 0, http: 101, tls: 116, dns: 121, crd: 126 };

/** What the rules of one tier say together about one port filter and one selector. */
export interface Said {
  readonly tier: number;
  readonly filter: PortSpec;
  readonly selector: Selector;
  priority: number;
  verdict: RuleVerdict;
  parser: Parser;
  listener: string;
  listenerPriority: number;
  http: readonly HttpRule[];
  dns: readonly DnsRule[];
  serverNames: readonly string[];
  /** The secret, which Envoy fetches itself: what the rule takes from it makes no difference to the agent. */
  terminatingTLS: string;
  originatingTLS: string;
  auth: AuthMode | undefined;
}

/** The rules of a subject contradict each other: Cilium computes no policy then. */
export class Contradiction extends Error {}

const ANY_PORT: PortSpec = { protocol: Protocol.Any, port: 0, endPort: 0 };

/** Where another engine may do what is safer than what Cilium does; absent = as Cilium. */
export interface Choices {
  /** Services that give nobody stay nobody, though there are ports, and deny rules resolve services too. */
  readonly closedServices?: boolean;
  /** Server names and L7 rules without TLS termination contradict each other whichever comes first. */
  readonly orderlessNames?: boolean;
  /** A rule with server names has no word on a request that came without one of them. */
  readonly namesOfRequests?: boolean;
  /** The DNS proxy knows every rule that names the very port, by number or by name and of any tier. */
  readonly unitedNames?: boolean;
}

/** Merges the elements, which are in Cilium's order. Throws a Contradiction. */
export function mergeElements(
  elements: readonly PeerRule[],
  scenario: Scenario,
  isDefaultDeny: boolean,
  choices: Choices,
): Said[] {
  const said: Said[] = [];
  for (const element of elements) {
    const rules: readonly PortRule[] = element.ports ?? [{ ports: [ANY_PORT] }];
    const selectors = selectorsOf(element, scenario, choices);
    for (const rule of rules) {
      for (const spec of rule.ports) {
        for (const each of statements(element, rule, spec, selectors, isDefaultDeny)) add(said, each, choices);
      }
    }
  }
  return said;
}

/**
 * Services that exist become peers, in allow rules only. A list of services that gives nobody leaves no peers at all, and
 * an element with ports and no peers is for everybody.
 */
function selectorsOf({ peers, ports, verdict }: PeerRule, scenario: Scenario, { closedServices }: Choices): Selector[] {
  const selectors = peers.flatMap((peer) =>
    isService(peer) ? (verdict === "allow" || closedServices ? peersOfService(peer, scenario) : []) : [peer],
  );
  const isUnresolved = peers.length > 0 && selectors.length === 0;
  const found = isUnresolved && ports !== undefined && !closedServices ? [WILDCARD] : selectors;
  return found.filter((selector, index) => found.findIndex(({ text }) => text === selector.text) === index);
}

function isService(peer: Peer): peer is ServicePeer {
  return peer.kind === "service";
}

function peersOfService(peer: ServicePeer, scenario: Scenario): Selector[] {
  const cluster = scenario.config?.clusterName ?? "default";
  return (scenario.services ?? [])
    .filter(({ namespace }) => peer.namespace === "" || peer.namespace === namespace)
    .filter(({ name, labels = {} }) => {
      const own = Object.entries(labels).map(([key, value]): Label => ({ source: "k8s", key, value }));
      return peer.selector === undefined ? name === peer.name : selects(peer.selector, toLabels(own));
    })
    .flatMap(({ namespace, selector = {}, backends = [] }): Selector[] => {
      const keys = Object.entries({ ...selector, [NAMESPACE_LABEL]: namespace, [CLUSTER_KEY]: cluster });
      if (Object.keys(selector).length === 0) return backends.map((address) => cidrSelector(parseCidr(address)!));
      return [labelSelector(keys.map(([key, value]) => requirement(`k8s:${key}`, "In", [value])))];
    });
}

const CLUSTER_KEY = "io.cilium.k8s.policy.cluster";

function parserOf(
  { http, dns, serverNames, listener, terminatingTLS, originatingTLS }: PortRule,
  tcp: boolean,
): Parser {
  if (listener !== undefined) return "crd";
  if (dns !== undefined) return "dns";
  if (http !== undefined && tcp) return "http";
  return (serverNames ?? terminatingTLS ?? originatingTLS) ? "tls" : "";
}

function statements(
  { tier, priority, verdict, auth }: PeerRule,
  rule: PortRule,
  filter: PortSpec,
  selectors: readonly Selector[],
  isDefaultDeny: boolean,
): Said[] {
  const parser = parserOf(rule, filter.protocol === Protocol.Tcp);
  // Where nothing is denied by default, L7 rules do not deny either.
  const http = [...(rule.http ?? []), ...(rule.http && !isDefaultDeny ? [{}] : [])];
  const dns = [...(rule.dns ?? []), ...(rule.dns && !isDefaultDeny ? [EVERY_NAME] : [])];
  return selectors.map((selector) => ({
    tier,
    filter,
    selector,
    priority,
    verdict,
    parser,
    listener: rule.listener?.name ?? "",
    listenerPriority: rule.listener?.priority || LISTENER_PRIORITY[parser],
    http: parser === "" ? [] : http,
    dns: parser === "" ? [] : dns,
    serverNames: rule.serverNames ?? [],
    terminatingTLS: JSON.stringify(rule.terminatingTLS?.secret) ?? "",
    originatingTLS: JSON.stringify(rule.originatingTLS?.secret) ?? "",
    auth,
  }));
}

const EVERY_NAME: DnsRule = { matchPattern: "*" };

function isSameFilter(a: PortSpec, b: PortSpec): boolean {
  if (a.protocol !== b.protocol || a.name !== b.name) return false;
  return a.name !== undefined || (a.port === b.port && a.endPort === b.endPort);
}

/** Named ports are one filter whatever their last port: the first one's counts. */
function add(said: Said[], incoming: Said, choices: Choices): void {
  const known = said.find(({ tier, filter }) => tier === incoming.tier && isSameFilter(filter, incoming.filter));
  const fresh = known === undefined ? incoming : { ...incoming, filter: known.filter };
  const index = said.findIndex(
    ({ tier, filter, selector }) =>
      tier === fresh.tier && filter === fresh.filter && selector.text === fresh.selector.text,
  );
  const existing = said[index];
  if (existing === undefined) said.push(fresh);
  else if (takesPrecedence(fresh, existing)) said[index] = fresh;
  else if (!takesPrecedence(existing, fresh) && !isNone(fresh.selector)) merge(existing, fresh, choices);
}

function takesPrecedence(a: Said, b: Said): boolean {
  const order = ["deny", "allow", "pass"];
  if (a.priority !== b.priority) return a.priority < b.priority;
  return order.indexOf(a.verdict) < order.indexOf(b.verdict);
}

function isNone(selector: Selector): boolean {
  return selector.kind === "labels" && selector.requirements.some(({ key }) => key === "none");
}

function merge(into: Said, other: Said, { orderlessNames }: Choices): void {
  if (other.verdict === "deny" || isDeepStrictEqual(into, other)) return;
  mergeRedirect(into, other);
  into.auth = (agreed("authentication", into.auth ?? "", other.auth ?? "") as AuthMode | "") || undefined;
  into.terminatingTLS = agreed("terminatingTLS", into.terminatingTLS, other.terminatingTLS);
  into.originatingTLS = agreed("originatingTLS", into.originatingTLS, other.originatingTLS);
  into.serverNames = [...new Set([...into.serverNames, ...other.serverNames])];
  const hasRules = into.http.length + into.dns.length > 0;
  const otherHasRules = other.http.length + other.dns.length > 0;
  const isMixed = hasRules || (orderlessNames && otherHasRules);
  if (into.serverNames.length > 0 && isMixed && into.terminatingTLS === "") {
    throw new Contradiction("server names beside L7 rules");
  }
  // No rules = all is allowed, which must be said where there are some now.
  const isOpen = hasRules !== otherHasRules;
  into.http = mergedRules(into.http, other.http, isOpen, {});
  into.dns = mergedRules(into.dns, other.dns, isOpen, EVERY_NAME);
}

function isDeepStrictEqual(a: Said, b: Said): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function mergedRules<T>(own: readonly T[], others: readonly T[], isOpen: boolean, everything: T): T[] {
  const all = [...own, ...others];
  return isOpen && all.length > 0 ? [...all, everything] : all;
}

function agreed(what: string, a: string, b: string): string {
  if (a !== "" && b !== "" && a !== b) throw new Contradiction(what);
  return a || b;
}

function mergeRedirect(into: Said, other: Said): void {
  const parser = mergedParser(into.parser, other.parser);
  if (parser !== into.parser) {
    into.parser = parser;
    into.listenerPriority = other.listenerPriority;
  }
  const ours = into.listenerPriority || Infinity;
  const theirs = other.listenerPriority || Infinity;
  if (other.listener === "" || (other.listener === into.listener && ours === theirs) || ours < theirs) return;
  if (into.listener !== "" && theirs >= ours) throw new Contradiction("listeners");
  into.listener = other.listener;
  into.listenerPriority = other.listenerPriority;
}

function mergedParser(a: Parser, b: Parser): Parser {
  if (a === b || b === "" || (b === "tls" && a === "http")) return a;
  if (a === "" || (a === "tls" && b === "http")) return b;
  throw new Contradiction(`parsers ${a} and ${b}`);
}
