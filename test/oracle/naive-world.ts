import { cidrContains, parseAddress, parseCidr } from "../../src/model/cidr.ts";
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
  readonly namedPorts: NonNullable<ScenarioEndpoint["namedPorts"]>;
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

/** Of a pod's ports with one name the last counts; pods whose names mean other numbers are others. */
export function ownPort({ namedPorts }: Party, name: string, protocol: number): number | undefined {
  const last = namedPorts.findLast((each) => each.name.toLowerCase() === name);
  return protocolNumber(last?.protocol ?? "TCP") === protocol ? last?.port : undefined;
}

/** Who is called that; undefined = nobody. */
export function findParty(scenario: Scenario, facts: OutsideFacts, name: string): Party | undefined {
  if (name.startsWith("reserved:")) return reserved(scenario, name);
  const isAddress = parseAddress(name) !== undefined;
  const endpoint = scenario.endpoints.find(({ name: own, namespace = "default", ips = [] }) =>
    isAddress ? ips.includes(name) : name === own || name === `${namespace}/${own}`,
  );
  if (endpoint !== undefined) return pod(endpoint, scenario);
  return isAddress ? outsider(outsideLabels(scenario, facts, name)) : undefined;
}

function pod(endpoint: ScenarioEndpoint, { config }: Scenario): Party {
  const { namespace = "default", namespaceLabels = {}, serviceAccount = "", rawLabels, namedPorts = [] } = endpoint;
  const { labels: podLabels = {}, cluster = config?.clusterName ?? "default" } = endpoint;
  const labels =
    rawLabels === undefined
      ? identityLabelsOfPod({ podLabels, namespace, namespaceLabels, serviceAccount, cluster })
      : toLabels(rawLabels.map(parseLabel));
  return { labels, namedPorts, isSubject: true, isHost: false };
}

function reserved({ hostLabels = [], config }: Scenario, name: string): Party | undefined {
  const labels = [...reservedIdentities().values()].find(([first]) => formatLabel(first!) === name);
  if (labels === undefined || name !== "reserved:host") return labels && outsider(labels);
  const all = toLabels([...labels, ...hostLabels.map(parseLabel)]);
  return { ...outsider(all), isSubject: config?.hostFirewall === true, isHost: true };
}

function outsider(labels: Labels): Party {
  return { labels, namedPorts: [], isSubject: false, isHost: false };
}

/** Every address has the labels of all that it is in, and stands for itself as a prefix. */
function outsideLabels(scenario: Scenario, { groups, fqdns }: OutsideFacts, address: string): Labels {
  const { config, cidrLabels = {}, fqdnCache = {} } = scenario;
  const cidr = parseCidr(address)!;
  const isIn = (text: string) => cidrContains(parseCidr(text)!, cidr);
  const isDual = config?.enableIPv4 !== false && config?.enableIPv6 === true;
  const names = Object.keys(fqdnCache).filter((name) => fqdnCache[name]!.includes(address));
  const label = (source: string, key: string): Label => ({ source, key, value: "" });
  return toLabels([
    label("cidr", cidrKey(cidr)),
    label("reserved", isDual ? `world-ipv${cidr.family}` : "world"),
    ...groups.filter(({ cidrs }) => cidrs.some(isIn)).flatMap(cidrGroupLabels),
    ...fqdns.filter((each) => names.some(compileFqdn(each))).map((each) => label("fqdn", fqdnLabelKey(each))),
    ...Object.keys(cidrLabels)
      .filter(isIn)
      .flatMap((prefix) => cidrLabels[prefix]!.map(parseLabel)),
  ]);
}
