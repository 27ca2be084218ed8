import { parseCidr } from "../../src/model/cidr.ts";
import { NAMESPACE_LABEL } from "../../src/model/identity.ts";
import { type Label, toLabels } from "../../src/model/label.ts";
import { Protocol } from "../../src/model/protocol.ts";
import { cidrSelector, labelSelector, requirement, type Selector, selects } from "../../src/model/selector.ts";
import type { DnsRule, HttpRule } from "../../src/policy/l7-rule.ts";
import type { PeerRule, PortRule, PortSpec, RuleVerdict, ServicePeer } from "../../src/policy/rule.ts";
import type { Scenario } from "../../src/policy/scenario.ts";

type Parser = "" | "tls" | "crd" | "http" | "dns";

/** Lower goes first among redirects of one level. */
const LISTENER_PRIORITY: Readonly<Record<Parser, number>> = { "": 0, http: 101, tls: 116, dns: 121, crd: 126 };

/** What the rules of one tier say together about one port filter and one selector. Empty text = nothing is said. */
export interface Said {
  readonly tier: number;
  readonly filter: PortSpec;
  readonly selector: Selector;
  readonly priority: number;
  readonly verdict: RuleVerdict;
  readonly parser: Parser;
  readonly listener: string;
  readonly listenerPriority: number;
  readonly http: readonly HttpRule[];
  readonly dns: readonly DnsRule[];
  readonly serverNames: readonly string[];
  /** The secret, which Envoy fetches itself: what the rule takes from it makes no difference to the agent. */
  readonly terminatingTLS: string;
  readonly originatingTLS: string;
  readonly auth: string;
}

/** The rules of a subject contradict each other: Cilium computes no policy then. */
export class Contradiction extends Error {}

/** Merges the elements, which are in Cilium's order. Throws a Contradiction. */
export function mergeElements(elements: readonly PeerRule[], scenario: Scenario, isDefaultDeny: boolean): Said[] {
  const said: Said[] = [];
  for (const element of elements)
    for (const rule of element.ports ?? [{ ports: [{ protocol: Protocol.Any, port: 0, endPort: 0 }] }])
      for (const filter of rule.ports)
        for (const selector of selectorsOf(element, scenario)) {
          const fresh = statement(element, rule, filter, selector, isDefaultDeny);
          const place = said.findIndex((each) => subjectOf(each) === subjectOf(fresh));
          if (place === -1) said.push(fresh);
          else said[place] = merge(said[place]!, fresh);
        }
  return said;
}

function subjectOf({ tier, filter: { protocol, port, endPort, name }, selector }: Said): string {
  return JSON.stringify([tier, protocol, port, endPort, name, selector.text]);
}

function selectorsOf({ peers }: PeerRule, scenario: Scenario): Selector[] {
  return peers.flatMap((peer) => (peer.kind === "service" ? peersOfService(peer, scenario) : [peer]));
}

function peersOfService(peer: ServicePeer, { services = [], config }: Scenario): Selector[] {
  const isMeant = ({ namespace, name, labels = {} }: (typeof services)[number]) => {
    const own = Object.entries(labels).map(([key, value]): Label => ({ source: "k8s", key, value }));
    const isNamed = peer.selector === undefined ? name === peer.name : selects(peer.selector, toLabels(own));
    return isNamed && (peer.namespace === "" || peer.namespace === namespace);
  };
  return services.filter(isMeant).flatMap(({ namespace, selector = {}, backends = [] }): Selector[] => {
    if (Object.keys(selector).length === 0) return backends.map((address) => cidrSelector(parseCidr(address)!));
    const cluster = { "io.cilium.k8s.policy.cluster": config?.clusterName ?? "default" };
    const labels = Object.entries({ ...selector, [NAMESPACE_LABEL]: namespace, ...cluster });
    return [labelSelector(labels.map(([key, value]) => requirement(`k8s:${key}`, "In", [value])))];
  });
}

function parserOf(rule: PortRule, protocol: number): Parser {
  if (rule.listener !== undefined) return "crd";
  if (rule.dns !== undefined) return "dns";
  if (rule.http !== undefined && protocol === Protocol.Tcp) return "http";
  return (rule.serverNames ?? rule.terminatingTLS ?? rule.originatingTLS) ? "tls" : "";
}

function statement(
  { tier, priority, verdict, auth }: PeerRule,
  rule: PortRule,
  filter: PortSpec,
  selector: Selector,
  isDefaultDeny: boolean,
): Said {
  const parser = parserOf(rule, filter.protocol);
  // Where nothing is denied by default, L7 rules do not deny either.
  const all = <T>(rules: readonly T[] = [], every: T): T[] =>
    parser === "" ? [] : rules.length === 0 || isDefaultDeny ? [...rules] : [...rules, every];
  return {
    ...{ tier, filter, selector, priority, verdict, parser },
    auth: auth ?? "",
    listener: rule.listener?.name ?? "",
    listenerPriority: rule.listener?.priority || LISTENER_PRIORITY[parser],
    http: all(rule.http, {}),
    dns: all(rule.dns, EVERY_NAME),
    serverNames: rule.serverNames ?? [],
    terminatingTLS: JSON.stringify(rule.terminatingTLS?.secret) ?? "",
    originatingTLS: JSON.stringify(rule.originatingTLS?.secret) ?? "",
  };
}

const EVERY_NAME: DnsRule = { matchPattern: "*" };

/** The earlier priority, then the stronger verdict; allows of one priority add up. */
function merge(a: Said, b: Said): Said {
  const order = ["deny", "allow", "pass"];
  if (a.priority !== b.priority) return a.priority < b.priority ? a : b;
  if (a.verdict !== b.verdict) return order.indexOf(a.verdict) < order.indexOf(b.verdict) ? a : b;
  const selectsNobody = a.selector.kind === "labels" && a.selector.requirements.some(({ key }) => key === "none");
  if (selectsNobody || JSON.stringify(a) === JSON.stringify(b)) return a;
  const { parser, listener, listenerPriority } = leading(a, b);
  const terminatingTLS = agreed("terminatingTLS", a, b);
  const serverNames = [...new Set([...a.serverNames, ...b.serverNames])];
  if (serverNames.length > 0 && (hasRules(a) || hasRules(b)) && terminatingTLS === "")
    throw new Contradiction("server names beside L7 rules");
  // No rules = all is allowed, which must be said where there are some now.
  const isOpen = hasRules(a) !== hasRules(b);
  const all = <T>(rules: readonly T[], every: T): T[] => (isOpen && rules.length > 0 ? [...rules, every] : [...rules]);
  return {
    ...{ ...a, parser, listener, listenerPriority, serverNames, terminatingTLS },
    originatingTLS: agreed("originatingTLS", a, b),
    auth: agreed("auth", a, b),
    http: all([...a.http, ...b.http], {}),
    dns: all([...a.dns, ...b.dns], EVERY_NAME),
  };
}

function hasRules({ http, dns }: Said): boolean {
  return http.length + dns.length > 0;
}

function agreed(what: "terminatingTLS" | "originatingTLS" | "auth", a: Said, b: Said): string {
  if (a[what] !== "" && b[what] !== "" && a[what] !== b[what]) throw new Contradiction(what);
  return a[what] || b[what];
}

/** Whose redirect takes the traffic. TLS may become HTTP; no other two parsers go together. */
function leading(a: Said, b: Said): Said {
  if (a.parser !== b.parser) {
    if (b.parser === "" || (a.parser === "http" && b.parser === "tls")) return a;
    if (a.parser === "" || (a.parser === "tls" && b.parser === "http")) return b;
    throw new Contradiction(`parsers ${a.parser} and ${b.parser}`);
  }
  if (a.listenerPriority === b.listenerPriority && a.listener !== b.listener) throw new Contradiction("listeners");
  return a.listenerPriority <= b.listenerPriority ? a : b;
}
