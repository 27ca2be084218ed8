import { cidrSelector, fqdnSelector, labelSelector, requirement, type Selector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { labelsToApi } from "./api-form.ts";
import { parseProtocols } from "./cluster-policy-ports.ts";
import type { Field } from "./field.ts";
import { both, inCluster, parseNamespaceSelector, parseNodeSelector, parsePodSelector } from "./kube-selector.ts";
import type { DnsRule } from "./l7-rule.ts";
import { readCidr } from "./parse-cidr.ts";
import type { PolicyHeader } from "./parse-header.ts";
import { warnOfSelector } from "./parse-peers.ts";
import type { Surroundings } from "./parse-rule.ts";
import type { WrittenSelector } from "./parse-selector.ts";
import { ReadRule } from "./read-rule.ts";
import { type PeerRule, type PortRule, type Rule, type RuleVerdict, Tier } from "./rule.ts";
import { selectorToApi, toLabelSelector, withKey } from "./scope.ts";

const MOST_RULES = 25;
const MOST_PRIORITY = 1000;
const MOST_NAME_LENGTH = 100;
const MOST_NAMES = 25;
const MOST_CIDR_LENGTH = 43;
/** Rules of one policy share its priority and are this many parts of one apart, so all of them come before the next one. */
const PRIORITY_PARTS = 100;
const DOMAIN_NAME = /^(\*\.)?([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/;
const MOST_DOMAIN_LENGTH = 255;

const VERDICTS = { Accept: "allow", Deny: "deny", Pass: "pass" } as const satisfies Record<string, RuleVerdict>;

/** The cluster's name servers, as Cilium takes it. */
const NAME_SERVERS = labelSelector([requirement("any:k8s-app", "In", ["kube-dns"])]);
const NAME_SERVER_PORTS = ["dns", "dns-tcp"];

interface Place {
  readonly direction: Direction;
  readonly around: Surroundings;
  /** Peers that name no cluster are sought in this one; empty = in every cluster. */
  readonly cluster: string;
}

interface Peer {
  readonly selectors: readonly Selector[];
  /** Names that may be asked for, which needs an element of its own. */
  readonly dns?: readonly DnsRule[];
  readonly path: string;
}

/** Reads the spec of a ClusterNetworkPolicy: one rule, every peer of a list an element of its own, in order of priority. */
export function parseClusterNetworkPolicy(
  object: Record<string, unknown>,
  root: Field,
  header: PolicyHeader,
  around: Surroundings,
): Rule[] {
  const at = root.child("spec");
  const spec = { tier: Tier.Admin as number, priority: 0 };
  let subject: WrittenSelector | undefined;
  const elements: Record<Direction, PeerRule[]> = { ingress: [], egress: [] };
  const section = (direction: Direction) => (value: unknown, field: Field) => {
    const place = { direction, around, cluster: around.isLocalOnly ? around.clusterName : "" };
    const rules = field.countedList(value, 0, MOST_RULES, (each, item) => parseClusterRule(each, item, place)) ?? [];
    elements[direction] = rules.flatMap((rule, index) =>
      rule.map((each) => ({ ...each, priority: index / PRIORITY_PARTS })),
    );
  };
  if ((object["spec"] ?? null) === null) {
    at.refuse("is required", "write `spec` with tier, priority and subject");
    return [];
  }
  const isRead = at.object(
    object["spec"],
    {
      tier: (value, field) => {
        const tier = field.choice(value, ["Admin", "Baseline"] as const);
        if (tier !== undefined) spec.tier = Tier[tier];
      },
      priority: (value, field) => {
        spec.priority = field.integer(value, 0, MOST_PRIORITY) ?? 0;
      },
      subject: (value, field) => {
        subject = parseSubject(value, field);
      },
      ingress: section("ingress"),
      egress: section("egress"),
    },
    { required: ["tier", "priority", "subject"] },
  );
  if (!isRead || subject === undefined) return [];
  const all = [...elements.ingress, ...elements.egress];
  const placed = all.map((each) => ({ ...each, tier: spec.tier, priority: spec.priority + each.priority }));
  return [toRule(header, subject, placed, object["spec"])];
}

function toRule(header: PolicyHeader, subject: WrittenSelector, elements: readonly PeerRule[], spec: unknown): Rule {
  const defaultDeny = { ingress: false, egress: false };
  return new ReadRule(
    { subject: toLabelSelector(subject), isNode: false, elements, defaultDeny },
    { key: header.key, name: header.labelName },
    (labels) => {
      const { tier, priority, ingress, egress } = spec as Record<string, unknown>;
      const sections = { ...(ingress ? { ingress } : {}), ...(egress ? { egress } : {}) };
      const end = labelsToApi({ labels, defaultDeny });
      return { endpointSelector: selectorToApi(subject), tier, priority, ...sections, ...end };
    },
  );
}

/** Exactly one of the fields must be there. */
function checkOne(value: Record<string, unknown>, names: readonly string[], at: Field): void {
  const present = names.filter((name) => (value[name] ?? null) !== null);
  if (present.length !== 1) at.refuse(`must have exactly one of ${names.join(", ")}`, "write one element for each");
}

function parseSubject(value: unknown, at: Field): WrittenSelector | undefined {
  let found: WrittenSelector | undefined;
  const isRead = at.object(value, {
    namespaces: (content, field) => {
      found = parseNamespaceSelector(content, field);
    },
    pods: (content, field) => {
      found = parsePods(content, field, "");
    },
  });
  if (!isRead) return undefined;
  checkOne(value, ["namespaces", "pods"], at);
  if (found !== undefined) warnOfSelector(toLabelSelector(found), at);
  return found;
}

/** Reads `{namespaceSelector, podSelector}`; an empty cluster's name adds no condition on the cluster. */
function parsePods(value: unknown, at: Field, cluster: string): WrittenSelector | undefined {
  let namespaces: WrittenSelector | undefined;
  let pods: WrittenSelector | undefined;
  const isRead = at.object(
    value,
    {
      namespaceSelector: (content, field) => {
        namespaces = parseNamespaceSelector(content, field);
      },
      podSelector: (content, field) => {
        pods = parsePodSelector(content, field);
      },
    },
    { required: ["podSelector"] },
  );
  if (!isRead || pods === undefined) return undefined;
  const anywhere = namespaces ?? parseNamespaceSelector({}, at);
  return inCluster(both(anywhere, pods), pods, cluster);
}

/** Reads one element of `ingress` or `egress`. Priority and tier are for the caller to fill in. */
function parseClusterRule(value: unknown, at: Field, place: Place): PeerRule[] | undefined {
  const isIngress = place.direction === "ingress";
  let verdict: RuleVerdict | undefined;
  let peers: readonly Peer[] = [];
  let ports: readonly PortRule[] | undefined;
  const isRead = at.object(
    value,
    {
      name: (content, field) => {
        const name = field.text(content) ?? "";
        if ([...name].length > MOST_NAME_LENGTH)
          field.refuse(`longer than ${MOST_NAME_LENGTH} characters`, "shorten it");
      },
      action: (content, field) => {
        const action = field.choice(content, ["Accept", "Deny", "Pass"] as const);
        verdict = action === undefined ? undefined : VERDICTS[action];
      },
      [isIngress ? "from" : "to"]: (content: unknown, field: Field) => {
        peers = field.countedList(content, 1, MOST_RULES, (each, item) => parsePeer(each, item, place)) ?? [];
      },
      protocols: (content, field) => {
        ports = field.countedList(content, 1, MOST_RULES, parseProtocols);
      },
    },
    { required: ["action", isIngress ? "from" : "to"] },
  );
  if (!isRead) return undefined;
  if (!isIngress) checkEgress(value, verdict, peers, ports, at);
  return peers.flatMap((peer) => elementsOf(peer, verdict ?? "allow", ports, place.direction));
}

function checkEgress(
  value: Record<string, unknown>,
  verdict: RuleVerdict | undefined,
  peers: readonly Peer[],
  ports: readonly PortRule[] | undefined,
  at: Field,
): void {
  const written = Array.isArray(value["to"]) ? (value["to"] as unknown[]) : [];
  const has = (name: string) =>
    written.some((peer) => ((peer as Record<string, unknown> | null)?.[name] ?? null) !== null);
  const hasNames = ports?.some((rule) => rule.ports.some(({ name }) => name !== undefined));
  if (hasNames && ["networks", "nodes", "domainNames"].some(has))
    at.child("protocols").refuse("networks, nodes and domainNames have no named ports", "write the port's number");
  if (verdict !== undefined && verdict !== "allow" && peers.some(({ dns }) => dns !== undefined))
    at.child("to").refuse("domainNames is for `action: Accept` alone", "write the addresses into networks");
}

function elementsOf(
  { selectors, dns, path }: Peer,
  verdict: RuleVerdict,
  ports: readonly PortRule[] | undefined,
  direction: Direction,
): PeerRule[] {
  const place = { direction, verdict, tier: Tier.Admin, priority: 0 };
  const element = { ...place, peers: selectors, ...(ports === undefined ? {} : { ports }), path };
  if (dns === undefined) return [element];
  const servers = NAME_SERVER_PORTS.flatMap((name) =>
    [6, 17, 132].map((protocol) => ({ protocol, name, port: 0, endPort: 0 })),
  );
  // Cilium lets the names be asked for before it allows what the answers name.
  return [{ ...place, peers: [NAME_SERVERS], ports: [{ ports: servers, dns }], path: `${path}.domainNames` }, element];
}

function parsePeer(value: unknown, at: Field, place: Place): Peer | undefined {
  let selectors: readonly Selector[] = [];
  let dns: readonly DnsRule[] | undefined;
  const pods = (written: WrittenSelector | undefined, field: Field) => {
    if (written === undefined) return;
    const selector = toLabelSelector(written);
    warnOfSelector(selector, field);
    selectors = [selector];
  };
  const readers: Record<string, (content: unknown, field: Field) => void> = {
    namespaces: (content, field) => pods(parseNamespaceSelector(content, field), field),
    pods: (content, field) => pods(parsePods(content, field, place.cluster), field),
  };
  if (place.direction === "egress") {
    readers["nodes"] = (content, field) => {
      selectors = parseNodes(content, field, place);
    };
    readers["networks"] = (content, field) => {
      selectors = field.countedList(content, 1, MOST_NAMES, parseNetwork) ?? [];
    };
    readers["domainNames"] = (content, field) => {
      dns = field.countedList(content, 1, MOST_NAMES, parseDomainName) ?? [];
      selectors = dns.map(fqdnSelector);
    };
  }
  const isRead = at.object(value, readers);
  if (!isRead) return undefined;
  checkOne(value, Object.keys(readers), at);
  return { selectors, ...(dns === undefined ? {} : { dns }), path: at.path };
}

/** Nodes are the local one and the others: two selectors. */
function parseNodes(value: unknown, at: Field, { around, cluster }: Place): Selector[] {
  const written = parseNodeSelector(value, at);
  if (!around.nodeSelectorLabels)
    at.refuse("needs the option enable-node-selector-labels, which is off", "use networks");
  return ["reserved:host", "reserved:remote-node"].map((key) =>
    toLabelSelector(inCluster(withKey(written, key), written, cluster)),
  );
}

function parseNetwork(value: unknown, at: Field): Selector | undefined {
  if (typeof value === "string" && value.length > MOST_CIDR_LENGTH) {
    at.refuse(`longer than ${MOST_CIDR_LENGTH} characters`, "write address/length", value);
    return undefined;
  }
  const cidr = readCidr(value, at, false);
  return cidr === undefined ? undefined : cidrSelector(cidr);
}

/** `*.` at the beginning means one or more labels here, which is `**.` in Cilium's own patterns. */
function parseDomainName(value: unknown, at: Field): DnsRule | undefined {
  const name = at.text(value);
  if (name === undefined) return undefined;
  if (name.length <= MOST_DOMAIN_LENGTH && DOMAIN_NAME.test(name))
    return name.startsWith("*") ? { matchPattern: `*${name}` } : { matchName: name };
  at.refuse("not a domain name", "write a name such as example.com or *.example.com", name);
  return undefined;
}
