import { type Cidr, cidrContains, parseAddress, parseCidr } from "../../src/model/cidr.ts";
import { cidrGroupLabels } from "../../src/model/cidr-group-label.ts";
import { cidrKey } from "../../src/model/cidr-label.ts";
import { identityLabelsOfPod, reservedIdentities } from "../../src/model/identity.ts";
import { formatLabel, type Label, type Labels, parseLabel, toLabels } from "../../src/model/label.ts";
import { protocolNumber } from "../../src/model/protocol.ts";
import { cidrSelector, type FqdnSelector, fqdnLabelKey, type Selector, selects } from "../../src/model/selector.ts";
import { compileFqdn } from "../../src/policy/dns-rule.ts";
import type { CidrGroup } from "../../src/policy/rule.ts";
import type { Scenario } from "../../src/policy/scenario.ts";

type ScenarioEndpoint = Scenario["endpoints"][number];

/** Whoever can be at one end of a connection. */
export interface Party {
  readonly labels: Labels;
  /** Of this pod alone. */
  readonly namedPorts: readonly NamedPort[];
  /** Policy is enforced at it. */
  readonly isSubject: boolean;
  readonly isHost: boolean;
}

interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: number;
}

/** What the accepted policies say of addresses outside. */
export interface OutsideFacts {
  readonly groups: readonly CidrGroup[];
  readonly fqdns: readonly FqdnSelector[];
}

function namespaceOf({ namespace = "default" }: ScenarioEndpoint): string {
  return namespace;
}

function labelsOf(endpoint: ScenarioEndpoint, scenario: Scenario): Labels {
  if (endpoint.rawLabels !== undefined) return toLabels(endpoint.rawLabels.map(parseLabel));
  return identityLabelsOfPod({
    podLabels: endpoint.labels ?? {},
    namespace: namespaceOf(endpoint),
    namespaceLabels: endpoint.namespaceLabels ?? {},
    serviceAccount: endpoint.serviceAccount ?? "",
    cluster: endpoint.cluster ?? scenario.config?.clusterName ?? "default",
  });
}

function namedPortsOf({ namedPorts = [] }: ScenarioEndpoint): NamedPort[] {
  const all = namedPorts.map(({ name, port, protocol = "TCP" }) => ({
    name: name.toLowerCase(),
    port,
    protocol: protocolNumber(protocol) ?? 0,
  }));
  // A pod that gives a name twice means the last of them.
  return all.filter(({ name }, index) => all.findLastIndex((each) => each.name === name) === index);
}

function pod(endpoint: ScenarioEndpoint, scenario: Scenario): Party {
  return {
    labels: labelsOf(endpoint, scenario),
    namedPorts: namedPortsOf(endpoint),
    isSubject: true,
    isHost: false,
  };
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

export function pods(scenario: Scenario): Party[] {
  return scenario.endpoints.map((endpoint) => pod(endpoint, scenario));
}

/** Who is called that; undefined = nobody. */
export function findParty(scenario: Scenario, facts: OutsideFacts, name: string): Party | undefined {
  if (name.startsWith("reserved:")) return reserved(scenario, name);
  const address = parseAddress(name) === undefined ? undefined : parseCidr(name);
  const endpoint = scenario.endpoints.find((each) =>
    address === undefined
      ? name === `${namespaceOf(each)}/${each.name}` || name === each.name
      : (each.ips ?? []).includes(name),
  );
  if (endpoint !== undefined) return pod(endpoint, scenario);
  return address === undefined ? undefined : outsider(outsideLabels(scenario, facts, name, address));
}

function reserved(scenario: Scenario, name: string): Party | undefined {
  const labels = [...reservedIdentities().values()].find(([first]) => formatLabel(first!) === name);
  if (labels === undefined) return undefined;
  const isHost = name === "reserved:host";
  const all = isHost ? toLabels([...labels, ...(scenario.hostLabels ?? []).map(parseLabel)]) : labels;
  return { ...outsider(all), isSubject: isHost && scenario.config?.hostFirewall === true, isHost };
}

function outsider(labels: Labels): Party {
  return { labels, namedPorts: [], isSubject: false, isHost: false };
}

function label(source: string, key: string): Label {
  return { source, key, value: "" };
}

/** Every address has the labels of all that it is in, and stands for itself as a prefix. */
function outsideLabels(scenario: Scenario, facts: OutsideFacts, address: string, cidr: Cidr): Labels {
  const isDual = scenario.config?.enableIPv4 !== false && scenario.config?.enableIPv6 === true;
  const isIn = (text: string) => {
    const outer = parseCidr(text);
    return outer !== undefined && cidrContains(outer, cidr);
  };
  const groups = facts.groups.filter(({ cidrs }) => cidrs.some(isIn)).flatMap(cidrGroupLabels);
  const names = Object.entries(scenario.fqdnCache ?? {}).filter(([, addresses]) => addresses.includes(address));
  const fqdns = facts.fqdns.filter((selector) => names.some(([name]) => compileFqdn(selector)(name)));
  const given = Object.entries(scenario.cidrLabels ?? {}).filter(([prefix]) => isIn(prefix));
  return toLabels([
    label("cidr", cidrKey(cidr)),
    label("reserved", isDual ? `world-ipv${cidr.family}` : "world"),
    ...groups,
    ...fqdns.map((selector) => label("fqdn", fqdnLabelKey(selector))),
    ...given.flatMap(([, labels]) => labels.map(parseLabel)),
  ]);
}

/** Pods with other port names or numbers have other identities, so that a name stands for one number at a peer. */
export function ownPort({ namedPorts }: Party, name: string, protocol: number): number | undefined {
  return namedPorts.find((each) => each.name === name && each.protocol === protocol)?.port;
}
