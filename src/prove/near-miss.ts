import { formatCidr } from "../model/cidr.ts";
import { hasWorldLabel } from "../model/cidr-label.ts";
import { NAMESPACE_LABEL } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import { protocolName } from "../model/protocol.ts";
import { labelSelector, type Requirement, type Selector, selects } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { compileDnsRules } from "../policy/dns-rule.ts";
import { compileHttpRule } from "../policy/http-rule.ts";
import type { L7Facts } from "../policy/judge-l7.ts";
import type { HttpRule } from "../policy/l7-rule.ts";
import { distinctPorts, portOf } from "../policy/named-ports.ts";
import type { PeerRule, PortRule, PortSpec } from "../policy/rule.ts";
import type { Somebody } from "../policy/scenario-world.ts";
import { compileServerNames } from "../policy/server-name.ts";
import type { Cluster, LocatedRule } from "./cluster.ts";

/** One side of a connection, as its endpoint sees it. */
export interface SideQuestion {
  readonly direction: Direction;
  readonly subject: Somebody;
  readonly peer: Somebody;
  /** What people call them. */
  readonly titles: { readonly subject: string; readonly peer: string };
  readonly protocol: number;
  readonly port: number;
  readonly facts: L7Facts;
}

/** A rule that would allow the connection if one thing were different. */
export interface NearMiss extends LocatedRule {
  /** What failed: a label of the endpoint or of the peer, the port, or the request. */
  readonly failed: "subject" | "peer" | "port" | "request";
  readonly why: string;
}

/** Rules that allow, and miss the connection by one label, port or part of the request. */
export function nearMisses(cluster: Cluster, question: SideQuestion): NearMiss[] {
  const { repository } = cluster.engine;
  const { subject } = question;
  const namespace = namespaceOf(subject.labels);
  const found: NearMiss[] = [];
  for (const { key, rules } of repository.list()) {
    if (key.namespace !== "" && key.namespace !== namespace) continue;
    for (const rule of rules) {
      const unmet = unmetBy(rule.subject.requirements, subject.labels);
      if (unmet.length > 1 || rule.isNode !== isNode(subject)) continue;
      for (const element of rule.elements) {
        if (element.direction !== question.direction || element.verdict !== "allow") continue;
        const failures = [
          ...unmet.map((each) => of("subject", `its endpoint must have ${each}`, question.titles.subject)),
          ...failuresOf(cluster, element, question),
        ];
        if (failures.length === 1) found.push({ ...cluster.locate({ ...key, path: element.path }), ...failures[0]! });
      }
    }
  }
  return found;
}

type Failure = Pick<NearMiss, "failed" | "why">;

function of(failed: NearMiss["failed"], why: string, name: string): Failure {
  return { failed, why: `${why}; ${name} has not` };
}

function isNode({ labels }: Somebody): boolean {
  return labels.some(({ source, key }) => source === "reserved" && key === "host");
}

function namespaceOf(labels: Labels): string | undefined {
  return labels.find(({ source, key }) => source === "k8s" && key === NAMESPACE_LABEL)?.value;
}

/** Requirements that the labels do not meet, as text. */
export function unmetBy(requirements: readonly Requirement[], labels: Labels): string[] {
  return requirements.filter((each) => !selects(labelSelector([each]), labels)).map(requirementText);
}

/** `org=empire`, `team in (a, b)`, `no label host`. */
export function requirementText({ source, key, operator, values }: Requirement): string {
  const name = source === "any" || source === "k8s" ? key : `${source}:${key}`;
  if (operator === "Exists") return `a label ${name}`;
  if (operator === "DoesNotExist") return `no label ${name}`;
  if (operator === "In" && values.length === 1)
    return values[0] === "" && source === "reserved" ? name : `${name}=${values[0]}`;
  return `${name} ${operator === "In" ? "in" : "not in"} (${values.join(", ")})`;
}

function failuresOf(cluster: Cluster, element: PeerRule, question: SideQuestion): Failure[] {
  return [...peerFailures(cluster, element, question), ...portFailures(element, question)];
}

/** What is not near at all. */
const TOO_MANY: Failure[] = [
  { failed: "peer", why: "" },
  { failed: "peer", why: "" },
];

/** One failure for each label that the nearest selector misses; two stand for too many. */
function peerFailures({ engine }: Cluster, { peers }: PeerRule, { peer, titles }: SideQuestion): Failure[] {
  const selectors = peers.flatMap((each) => engine.repository.selectorsOf(each));
  const { options } = engine.repository.selectors;
  if (selectors.some((selector) => selects(selector, peer.labels, options))) return [];
  let nearest: Failure[] | undefined;
  for (const selector of selectors) {
    const failures = selectorFailures(selector, peer, titles.peer);
    if (nearest === undefined || failures.length < nearest.length) nearest = failures;
  }
  return nearest ?? TOO_MANY;
}

function selectorFailures(selector: Selector, peer: Somebody, title: string): Failure[] {
  const isOutside = hasWorldLabel(peer.labels);
  const one = (why: string): Failure[] => [{ failed: "peer", why }];
  switch (selector.kind) {
    case "labels":
      return unmetBy(selector.requirements, peer.labels).map((each) => of("peer", `the peer must have ${each}`, title));
    case "cidr":
      return isOutside
        ? one(
            `${title} is not in ${formatCidr(selector.cidr)}${selector.except.map((each) => ` without ${formatCidr(each)}`).join("")}`,
          )
        : TOO_MANY;
    case "cidrGroup":
      return isOutside ? one(`${title} is not in the group`) : TOO_MANY;
    case "fqdn":
      return isOutside ? one(`${title} is no address of ${selector.matchName ?? selector.matchPattern}`) : TOO_MANY;
  }
}

function portFailures({ ports, direction }: PeerRule, question: SideQuestion): Failure[] {
  if (ports === undefined) return [];
  const { subject, peer } = question;
  const owner = direction === "ingress" ? subject : peer;
  const covering = ports.filter((rule) => rule.ports.some((spec) => covers(spec, owner, question)));
  if (covering.length === 0) {
    const there = ports.flatMap((rule) => rule.ports.map(specText));
    const asked = `${protocolName(question.protocol)} ${question.port}`;
    return [{ failed: "port", why: `it is about ${[...new Set(there)].join(", ") || "no port"}; asked is ${asked}` }];
  }
  const failures = covering.map((rule) => requestFailure(rule, question.facts));
  return failures.includes(undefined) ? [] : [{ failed: "request", why: failures[0]! }];
}

function covers(spec: PortSpec, owner: Somebody, { protocol, port }: SideQuestion): boolean {
  if (spec.protocol !== protocol) return false;
  if (spec.name !== undefined) return portOf(distinctPorts(owner.namedPorts), spec.name, protocol) === port;
  return spec.endPort === 0 || (spec.port <= port && port <= spec.endPort);
}

function specText({ protocol, name, port, endPort }: PortSpec): string {
  const numbers = endPort === 0 ? "every port" : port === endPort ? `${port}` : `${port}-${endPort}`;
  return `${protocolName(protocol)} ${name ?? numbers}`;
}

/** Undefined = the request meets the rule, or nothing is known of it. */
function requestFailure({ http, dns, serverNames }: PortRule, facts: L7Facts): string | undefined {
  if (http !== undefined && facts.http !== undefined) {
    const texts = http.map((rule) => httpFailure(rule, facts.http!));
    return texts.includes(undefined) ? undefined : texts.sort((a, b) => a!.length - b!.length)[0];
  }
  if (dns !== undefined && facts.dns !== undefined && !compileDnsRules(dns)(facts.dns))
    return `its names are ${dns.map(({ matchName, matchPattern }) => matchName ?? matchPattern).join(", ")}; asked is ${facts.dns}`;
  if (serverNames !== undefined && facts.sni !== undefined && !compileServerNames(serverNames)(facts.sni))
    return `its server names are ${serverNames.join(", ")}; asked is ${facts.sni}`;
  return undefined;
}

function httpFailure(rule: HttpRule, request: NonNullable<L7Facts["http"]>): string | undefined {
  const isMet = (part: HttpRule) => compileHttpRule(part)(request);
  const parts = (["method", "path", "host"] as const).flatMap((field) => {
    const expression = rule[field];
    return expression === undefined || isMet({ [field]: expression })
      ? []
      : [`${field} must match ${expression}; it is ${request[field]}`];
  });
  const headers = (rule.headers ?? [])
    .filter((header) => !isMet({ headers: [header] }))
    .map((header) => `header ${header} is missing`);
  const matches = (rule.headerMatches ?? [])
    .filter((match) => !isMet({ headerMatches: [match] }))
    .map(({ name }) => `header ${name} does not match`);
  const all = [...parts, ...headers, ...matches];
  return all.length === 0 ? undefined : all.join(", and ");
}
