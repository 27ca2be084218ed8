import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import type { ScenarioEndpoint } from "../../src/policy/scenario-world.ts";

/**
 * A second opinion on scenarios: reads the policy objects anew for every question, knows no identities, caches, maps or
 * precedence, and shares no code with the engine. Only for objects that the engine accepts, and for IPv4.
 */

type Json = Record<string, unknown>;
type Verdict = "allowed" | "denied" | "redirect";

/** `passes`: what becomes of the query's HTTP request, if the proxy sees it. */
export interface NaiveVerdict {
  readonly verdict: Verdict;
  readonly passes: boolean;
}

interface Party {
  /** `source:key` -> value */
  readonly labels: Readonly<Record<string, string>>;
  /** Set for what is outside. */
  readonly address?: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly isPod: boolean;
}

const ENTITY_LABELS: Readonly<Record<string, readonly string[]>> = {
  world: ["world"],
  cluster: ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"],
  "cluster-mesh": ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"],
};

export function partyOf(name: string, endpoints: readonly ScenarioEndpoint[]): Party {
  if (name.startsWith("reserved:")) {
    const labels: Record<string, string> = { [name]: "" };
    if (name === "reserved:kube-apiserver") labels["reserved:remote-node"] = "";
    return { labels, ports: {}, isPod: false, ...(name === "reserved:world" ? { address: "203.0.113.1" } : {}) };
  }
  const pod = endpoints.find((each) => `${each.namespace}/${each.name}` === name);
  if (pod === undefined) return { labels: { "reserved:world": "" }, address: name, ports: {}, isPod: false };
  const labels: Record<string, string> = {
    "k8s:io.kubernetes.pod.namespace": pod.namespace!,
    "k8s:io.cilium.k8s.policy.cluster": "default",
  };
  for (const [key, value] of Object.entries(pod.labels!)) {
    // No part of the identity.
    if (key !== "pod-template-hash") labels[`k8s:${key}`] = value;
  }
  for (const [key, value] of Object.entries(pod.namespaceLabels!))
    labels[`k8s:io.cilium.k8s.namespace.labels.${key}`] = value;
  const ports = Object.fromEntries(
    pod.namedPorts!.map(({ name: port, port: number, protocol }) => [`${port}/${protocol}`, number]),
  );
  return { labels, ports, isPod: true };
}

function valueIn(labels: Party["labels"], key: string): string | undefined {
  if (key.includes(":") && !key.startsWith("any:")) return labels[key];
  const bare = key.replace(/^any:/, "");
  const found = Object.keys(labels).find((name) => name.slice(name.indexOf(":") + 1) === bare);
  return found === undefined ? undefined : labels[found];
}

function selectorMatches(selector: Json, party: Party): boolean {
  const labels = Object.entries((selector["matchLabels"] ?? {}) as Json);
  const expressions = (selector["matchExpressions"] ?? []) as { key: string; operator: string; values: string[] }[];
  return (
    labels.every(([key, value]) => valueIn(party.labels, key) === value) &&
    expressions.every(({ key, operator, values }) => {
      const value = valueIn(party.labels, key);
      if (operator === "Exists") return value !== undefined;
      if (operator === "DoesNotExist") return value === undefined;
      return (value !== undefined && values.includes(value)) === (operator === "In");
    })
  );
}

function keysOf(selector: Json): string[] {
  const expressions = (selector["matchExpressions"] ?? []) as { key: string }[];
  return [...Object.keys((selector["matchLabels"] ?? {}) as Json), ...expressions.map(({ key }) => key)];
}

/** Peers are pods of the policy's namespace, or of any for a clusterwide policy, unless the selector says otherwise. */
function endpointMatches(selector: Json, party: Party, namespace: string): boolean {
  if (!selectorMatches(selector, party)) return false;
  const keys = keysOf(selector);
  if (keys.some((key) => key.startsWith("reserved:"))) return true;
  if (!party.isPod) return false;
  if (namespace === "" || keys.some((key) => /io\.kubernetes\.pod\.namespace$|namespace\.labels\./.test(key)))
    return true;
  return party.labels["k8s:io.kubernetes.pod.namespace"] === namespace;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function inCidr(address: string, cidr: string): boolean {
  const [base, length = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  return Math.floor(toNumber(address) / size) === Math.floor(toNumber(base!) / size);
}

function cidrMatches(rule: Json, party: Party): boolean {
  if (party.address === undefined) return false;
  const except = (rule["except"] ?? []) as string[];
  return inCidr(party.address, rule["cidr"] as string) && !except.some((cidr) => inCidr(party.address!, cidr));
}

function entityMatches(entity: string, party: Party): boolean {
  if (entity === "all") return true;
  if (entity.startsWith("cluster") && party.isPod) return true;
  return (ENTITY_LABELS[entity] ?? [entity]).some((name) => `reserved:${name}` in party.labels);
}

function peerMatches(element: Json, prefix: string, party: Party, namespace: string): boolean {
  const lists = ["Endpoints", "CIDR", "CIDRSet", "Entities"].map(
    (name) => element[prefix + name] as unknown[] | undefined,
  );
  const [endpoints, cidrs, cidrRules, entities] = lists;
  const hasPorts = ((element["toPorts"] ?? element["icmps"] ?? []) as unknown[]).length > 0;
  if (lists.every((list) => list === undefined)) return hasPorts;
  return (
    (endpoints ?? []).some((selector) => endpointMatches(selector as Json, party, namespace)) ||
    (cidrs ?? []).some((cidr) => cidrMatches({ cidr }, party)) ||
    (cidrRules ?? []).some((rule) => cidrMatches(rule as Json, party)) ||
    (entities ?? []).some((entity) => entityMatches(entity as string, party))
  );
}

function portMatches(written: Json, { proto, port }: Target, named: Party): boolean {
  const protocol = ((written["protocol"] ?? "ANY") as string).toUpperCase();
  if (proto === "ICMP" || (protocol !== "ANY" && protocol !== proto)) return false;
  const text = written["port"] as string;
  const first = /[a-z]/.test(text) ? named.ports[`${text}/${proto}`] : Number(text);
  if (first === undefined) return false;
  const last = Math.max(first, (written["endPort"] ?? 0) as number);
  return first === 0 || (port >= first && port <= last);
}

interface Target {
  readonly proto: string;
  readonly port: number;
  readonly http: Request | undefined;
}

type Grant = "plain" | "http" | "request";

interface Request {
  readonly method?: string;
  readonly path?: string;
}

function requestMatches(rule: Request, request: Request): boolean {
  return Object.entries(rule).every(([part, expression]) =>
    new RegExp(`^(${expression})$`).test(request[part as keyof Request]!),
  );
}

/** What the element grants on this port: anything, or HTTP, and then perhaps this very request. */
function targetMatches(element: Json, target: Target, named: Party): Set<Grant> {
  const found = new Set<Grant>();
  const toPorts = (element["toPorts"] ?? []) as Json[];
  const icmps = (element["icmps"] ?? []) as { fields: { type: number | string }[] }[];
  if (toPorts.length === 0 && icmps.length === 0) return found.add("plain");
  for (const rule of toPorts) {
    if (!((rule["ports"] ?? []) as Json[]).some((written) => portMatches(written, target, named))) continue;
    const http = (rule["rules"] as { http?: Request[] } | undefined)?.http ?? [];
    found.add(http.length > 0 ? "http" : "plain");
    if (http.some((each) => requestMatches(each, target.http ?? {}))) found.add("request");
  }
  const types = icmps.flatMap(({ fields }) => fields.map(({ type }) => (type === "EchoRequest" ? 8 : Number(type))));
  // Type 0 stands where a port would, and port 0 is every port: Cilium allows every type then.
  if (target.proto === "ICMP" && types.some((type) => type === 0 || type === target.port)) found.add("plain");
  return found;
}

/** The verdict at the subject on traffic with the peer. */
export function naiveVerdict(
  scenario: Scenario,
  direction: "ingress" | "egress",
  subject: Party,
  peer: Party,
  query: ScenarioQuery,
): NaiveVerdict {
  const prefix = direction === "ingress" ? "from" : "to";
  const target = { proto: query.proto!, port: query.port!, http: query.http };
  const named = direction === "ingress" ? subject : peer;
  const seen = { any: false, defaultDeny: false, deny: false, plain: false, http: false, request: false };
  for (const policy of scenario.policies as Json[]) {
    const namespace = ((policy["metadata"] as Json)["namespace"] ?? "") as string;
    if (namespace !== "" && subject.labels["k8s:io.kubernetes.pod.namespace"] !== namespace) continue;
    for (const rule of (policy["specs"] ?? [policy["spec"]]) as Json[]) {
      if (!selectorMatches(rule["endpointSelector"] as Json, subject)) continue;
      const allows = (rule[direction] ?? []) as Json[];
      const denies = (rule[`${direction}Deny`] ?? []) as Json[];
      if (allows.length + denies.length === 0) continue;
      seen.any = true;
      seen.defaultDeny ||= ((rule["enableDefaultDeny"] ?? {}) as Record<string, boolean>)[direction] ?? true;
      const reaches = (element: Json) => peerMatches(element, prefix, peer, namespace);
      seen.deny ||= denies.some((element) => reaches(element) && targetMatches(element, target, named).size > 0);
      for (const element of allows.filter(reaches))
        for (const kind of targetMatches(element, target, named)) seen[kind] = true;
    }
  }
  const isLocalhost = direction === "ingress" && "reserved:host" in peer.labels;
  const isOpen = seen.plain || !seen.defaultDeny || isLocalhost;
  const passes = isOpen || seen.request;
  if (!seen.any) return { verdict: "allowed", passes };
  if (seen.deny) return { verdict: "denied", passes };
  if (seen.http) return { verdict: "redirect", passes };
  return { verdict: isOpen ? "allowed" : "denied", passes };
}
