import { parsePolicy } from "../../src/policy/parse.ts";
import type { PeerRule, PortSpec } from "../../src/policy/rule.ts";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario-format.ts";
import { selectorsOfService } from "../../src/policy/service-peers.ts";

/** Faults of Cilium 1.20.2 that this engine does not copy (docs/decisions has the reasons), by name. */
export type UpstreamFault =
  | "services-fail-open"
  | "services-in-deny-unresolved"
  | "named-port-range-by-order"
  | "named-port-range-at-egress"
  | "dns-filters-overwrite"
  | "server-names-merge-by-order"
  | "server-names-pass-clear-http"
  | "duplicate-rules-swallow-others"
  | "auth-lost-beside-pass"
  | "auth-by-map-order"
  | "init-label-key";

function elementsOf({ policies }: Scenario): PeerRule[] {
  return policies.flatMap((policy) => {
    const parsed = parsePolicy(policy, { nodeSelectorLabels: true });
    return parsed.ok ? parsed.rules.flatMap(({ elements }) => elements) : [];
  });
}

function isServicesOnly({ peers }: PeerRule): boolean {
  return peers.length > 0 && peers.every(({ kind }) => kind === "service");
}

function portsOf({ ports = [] }: PeerRule): PortSpec[] {
  return ports.flatMap((rule) => rule.ports);
}

/** The kernel's map leaves the end of the range out, the proxy's rules do not. */
function isNamedRange({ name, endPort }: PortSpec): boolean {
  return name !== undefined && endPort > 0;
}

/** One port name with different ends of its range: the rule that comes first decides for all. */
function hasUnevenNames(elements: readonly PeerRule[]): boolean {
  const ends = new Map<string, number>();
  for (const { name, endPort } of elements.flatMap(portsOf)) {
    if (name === undefined) continue;
    if ((ends.get(name) ?? endPort) !== endPort) return true;
    ends.set(name, endPort);
  }
  return false;
}

/** Faults that may touch every answer of the scenario. */
export function faultsOf(scenario: Scenario): UpstreamFault[] {
  const elements = elementsOf(scenario);
  const { services = [] } = scenario;
  const meansNobody = ({ peers }: PeerRule) =>
    peers.every((peer) => peer.kind === "service" && selectorsOfService(peer, services).length === 0);
  const found: UpstreamFault[] = [];
  // With ports, no peers at all mean every peer.
  if (elements.some((each) => each.ports !== undefined && isServicesOnly(each) && meansNobody(each)))
    found.push("services-fail-open");
  if (elements.some((each) => each.verdict === "deny" && isServicesOnly(each)))
    found.push("services-in-deny-unresolved");
  if (hasUnevenNames(elements)) found.push("named-port-range-by-order");
  if (elements.some((each) => each.direction === "egress" && portsOf(each).some(isNamedRange)))
    found.push("named-port-range-at-egress");
  return found;
}

/** Two lists of L7 rules, one with an element twice, count as equal where every element of the one is in the other. */
function hasDuplicateRules(scenario: Scenario): boolean {
  return elementsOf(scenario).some(({ ports = [] }) =>
    ports.some(({ http, dns }) =>
      [http ?? [], dns ?? []].some((rules) => new Set(rules.map((rule) => JSON.stringify(rule))).size < rules.length),
    ),
  );
}

/** Where any rule passes, a wider rule's authentication does not reach what lies inside it. */
export function losesAuth(scenario: Scenario): boolean {
  const elements = elementsOf(scenario);
  return elements.some(({ verdict }) => verdict === "pass") && elements.some(({ auth }) => auth !== undefined);
}

/** What our engine refuses whatever the order of the rules, and Cilium only where the HTTP rules come first. */
export function isOrderedConflict(error: string | undefined): boolean {
  return error?.startsWith("L7 rules beside serverNames") === true;
}

function hasInitKey({ endpoints }: Scenario, name: string): boolean {
  return endpoints.some(
    (endpoint) =>
      (name === endpoint.name || name === `${endpoint.namespace}/${endpoint.name}`) &&
      endpoint.labels?.["init"] !== undefined,
  );
}

/**
 * Faults that touch a query's answer: a pod whose own label key is `init` counts as one without labels there; a request in
 * the clear passes by a rule that wants a TLS name, because the names are looked at before HTTP rules are.
 */
export function faultsOfQuery(scenario: Scenario, { from, to, http, dns }: ScenarioQuery): UpstreamFault[] {
  const found: UpstreamFault[] = [];
  if (hasInitKey(scenario, from) || hasInitKey(scenario, to)) found.push("init-label-key");
  // Of several filters on one port, one by name or one in another tier, the DNS proxy knows only one.
  if (dns !== undefined && /"dns(-tcp)?","|domainNames|"port":"dns/.test(JSON.stringify(scenario.policies)))
    found.push("dns-filters-overwrite");
  if ((http ?? dns) !== undefined && hasDuplicateRules(scenario)) found.push("duplicate-rules-swallow-others");
  if (http !== undefined && JSON.stringify(scenario.policies).includes("serverNames"))
    found.push("server-names-pass-clear-http");
  return found;
}
