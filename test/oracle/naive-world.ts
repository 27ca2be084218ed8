import { cidrContains, parseAddress, parseCidr } from "../../src/model/cidr.ts";
import { cidrGroupLabels } from "../../src/model/cidr-group-label.ts";
import { cidrKey } from "../../src/model/cidr-label.ts";
import { FIRST_IDENTITY, identityLabelsOfPod, reservedIdentities } from "../../src/model/identity.ts";
import { formatLabel, type Label, type Labels, parseLabel, toLabels } from "../../src/model/label.ts";
import { parseLabelFilter } from "../../src/model/label-filter.ts";
import { Protocol, protocolNumber } from "../../src/model/protocol.ts";
import { cidrSelector, type FqdnSelector, fqdnLabelKey, type Selector, selects } from "../../src/model/selector.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { compileFqdn } from "../../src/policy/dns-rule.ts";
import { clusterByNumber } from "../../src/policy/entities.ts";
import type { CidrGroup, PortSpec } from "../../src/policy/rule.ts";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";

/** Whoever can be at one end of a connection. */
export interface Party {
  readonly labels: Labels;
  readonly namedPorts: NonNullable<Scenario["endpoints"][number]["namedPorts"]>;
  /** Policy is enforced at it. */
  readonly isSubject: boolean;
  readonly isHost: boolean;
}

/** What the accepted policies say of addresses outside. */
export interface OutsideFacts {
  readonly groups: readonly CidrGroup[];
  readonly fqdns: readonly FqdnSelector[];
}

/** Whether the selector means these labels. */
export function isSelected({ config }: Scenario, selector: Selector, { labels }: Party): boolean {
  const options = { cidrsMatchNodes: config?.cidrMatchMode?.includes("nodes") === true };
  if (selector.kind !== "cidr" || selector.cidr.length > 0) return selects(selector, labels, options);
  // All of a family is its world, which has the family in its label unless it is the only one there is.
  const isOnly = selector.cidr.family === 4 ? config?.enableIPv6 !== true : config?.enableIPv4 === false;
  const world = isOnly ? "world" : `world-ipv${selector.cidr.family}`;
  const isExcepted = selector.except.some((except) => selects(cidrSelector(except), labels, options));
  return labels.some(({ source, key }) => source === "reserved" && key === world) && !isExcepted;
}

/** Whether the filter means the port of the query. A name means a port of whoever is asked: the subject, or egress's peer. */
export function isAimedAt(
  { protocol, name, port, endPort }: PortSpec,
  direction: Direction,
  subject: Party,
  peer: Party,
  query: ScenarioQuery,
): boolean {
  const asked = Number(query.port ?? 0);
  if (protocol === Protocol.Any) return true;
  if (protocol !== protocolNumber(query.proto ?? "TCP")) return false;
  if (name === undefined) return port === 0 || (asked >= port && asked <= Math.max(port, endPort));
  // Of a pod's ports with one name the last counts; pods whose names mean other numbers are others.
  const { namedPorts } = direction === "egress" ? peer : subject;
  const own = namedPorts.findLast((each) => each.name.toLowerCase() === name);
  if (own === undefined || protocolNumber(own.protocol ?? "TCP") !== protocol) return false;
  return asked >= own.port && asked <= (direction === "egress" ? own.port : Math.max(own.port, endPort));
}

/** Who is called that; undefined = nobody. */
export function findParty(scenario: Scenario, facts: OutsideFacts, name: string): Party | undefined {
  const { endpoints, config, hostLabels = [] } = scenario;
  const outsider = (labels: Labels): Party => ({ labels, namedPorts: [], isSubject: false, isHost: false });
  if (name.startsWith("reserved:")) {
    const labels = [...reservedIdentities().values()].find(([first]) => formatLabel(first!) === name);
    if (labels === undefined || name !== "reserved:host") return labels && outsider(labels);
    const all = toLabels([...labels, ...hostLabels.map(parseLabel)]);
    return { labels: all, namedPorts: [], isSubject: config?.hostFirewall === true, isHost: true };
  }
  const isAddress = parseAddress(name) !== undefined;
  const endpoint = endpoints.find(({ name: own, namespace = "default", ips = [] }) =>
    isAddress ? ips.includes(name) : name === own || name === `${namespace}/${own}`,
  );
  if (endpoint === undefined) return isAddress ? outsider(outsideLabels(scenario, facts, name)) : undefined;
  const { namespace = "default", namespaceLabels = {}, serviceAccount = "", rawLabels, namedPorts = [] } = endpoint;
  const { labels: podLabels = {}, cluster = config?.clusterName ?? "default" } = endpoint;
  const computed = identityLabelsOfPod(
    { podLabels, namespace, namespaceLabels, serviceAccount, cluster },
    parseLabelFilter(config?.labels ?? []),
  );
  const known = rawLabels === undefined ? computed : toLabels(rawLabels.map(parseLabel));
  // its number tells the cluster where no label does
  const labels = toLabels([...known, ...clusterByNumber(FIRST_IDENTITY, known)]);
  return { labels, namedPorts, isSubject: true, isHost: false };
}

/** Every address has the labels of all that it is in, and stands for itself as a prefix. */
function outsideLabels(scenario: Scenario, { groups, fqdns }: OutsideFacts, address: string): Labels {
  const { config, cidrLabels = {}, fqdnCache = {} } = scenario;
  const cidr = parseCidr(address)!;
  const isIn = (text: string) => cidrContains(parseCidr(text)!, cidr);
  const isDual = config?.enableIPv4 !== false && config?.enableIPv6 === true;
  const names = Object.keys(fqdnCache).filter((name) => fqdnCache[name]!.includes(address));
  const label = (source: string, key: string): Label => ({ source, key, value: "" });
  const given = Object.entries(cidrLabels).flatMap(([prefix, labels]) => (isIn(prefix) ? labels : []));
  return toLabels([
    label("cidr", cidrKey(cidr)),
    label("reserved", isDual ? `world-ipv${cidr.family}` : "world"),
    ...groups.filter(({ cidrs }) => cidrs.some(isIn)).flatMap(cidrGroupLabels),
    ...fqdns.filter((each) => names.some(compileFqdn(each))).map((each) => label("fqdn", fqdnLabelKey(each))),
    ...given.map(parseLabel),
  ]);
}
