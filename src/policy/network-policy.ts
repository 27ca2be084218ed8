import { cidrContains } from "../model/cidr.ts";
import { MAX_PORT } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import { cidrSelector, type Selector, WILDCARD } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { labelsToApi } from "./api-form.ts";
import type { Field } from "./field.ts";
import { both, inCluster, NO_CONDITIONS, parseNamespaceSelector, parsePodSelector } from "./kube-selector.ts";
import { readCidr } from "./parse-cidr.ts";
import type { PolicyHeader } from "./parse-header.ts";
import { warnOfSelector } from "./parse-peers.ts";
import { isPortName } from "./parse-port.ts";
import type { Surroundings } from "./parse-rule.ts";
import type { WrittenSelector } from "./parse-selector.ts";
import { ReadRule } from "./read-rule.ts";
import { type PeerRule, type PortRule, type PortSpec, type Rule, Tier } from "./rule.ts";
import { NAMESPACE_KEY, selectorToApi, toLabelSelector, withLabel } from "./scope.ts";

interface Place {
  readonly direction: Direction;
  readonly namespace: string;
  /** Peers that name no cluster are sought in this one; empty = in every cluster. */
  readonly cluster: string;
}

/** A peer, and how Cilium's API writes it. */
interface WrittenPeer {
  readonly selector: Selector;
  readonly api: Record<string, unknown>;
}

interface Written {
  readonly element: PeerRule;
  readonly api: Record<string, unknown>;
}

type Sections = Readonly<Record<Direction, readonly Written[] | undefined>>;

/** Reads the spec of a Kubernetes NetworkPolicy: one rule, every peer of a list an element of its own. */
export function parseNetworkPolicy(
  object: Record<string, unknown>,
  root: Field,
  header: PolicyHeader,
  around: Surroundings,
): Rule[] {
  const { namespace } = header.key;
  const at = root.child("spec");
  const cluster = around.isLocalOnly ? around.clusterName : "";
  const sections: Record<Direction, readonly Written[] | undefined> = { ingress: undefined, egress: undefined };
  let pods = NO_CONDITIONS;
  let types: readonly string[] = [];
  const section = (direction: Direction) => (value: unknown, field: Field) => {
    const place = { direction, namespace, cluster };
    sections[direction] = (field.list(value, (each, item) => parseKubeRule(each, item, place)) ?? []).flat();
  };
  const isRead = at.object(object["spec"] ?? {}, {
    podSelector: (value, field) => {
      pods = parsePodSelector(value, field);
      warnOfSelector(toLabelSelector(pods), field);
    },
    ingress: section("ingress"),
    egress: section("egress"),
    policyTypes: (value, field) => {
      types = field.countedList(value, 0, 2, (each, item) => item.choice(each, ["Ingress", "Egress"])) ?? [];
    },
  });
  if (!isRead) return [];
  if ((object["spec"] ?? null) === null) at.refuse("is required", "write `spec` with a podSelector");
  warnOfTypes(types, sections, at);
  return [toRule(header, withLabel(pods, NAMESPACE_KEY, namespace), withDefaults(sections, types, at))];
}

/** A direction that is meant and has no rules denies everything. Without policyTypes ingress is meant. */
function withDefaults(sections: Sections, types: readonly string[], at: Field): readonly Written[] {
  const { ingress = [], egress = [] } = sections;
  const denied = (direction: Direction): Written => ({
    element: { direction, verdict: "allow", tier: Tier.Normal, priority: 0, peers: [], path: at.path },
    api: {},
  });
  const meansIngress = types.includes("Ingress") || !types.includes("Egress");
  return [
    ...(ingress.length === 0 && meansIngress ? [denied("ingress")] : ingress),
    ...(egress.length === 0 && types.includes("Egress") ? [denied("egress")] : egress),
  ];
}

/** Cilium goes by the rules that are there, not by the types. */
function warnOfTypes(types: readonly string[], sections: Sections, at: Field): void {
  if (types.length === 0) return;
  for (const [direction, type] of [
    ["ingress", "Ingress"],
    ["egress", "Egress"],
  ] as const) {
    if ((sections[direction]?.length ?? 0) > 0 && !types.includes(type))
      at.child("policyTypes").warn(`does not name ${type}, but its rules are enforced all the same`);
  }
}

function toRule(header: PolicyHeader, subject: WrittenSelector, written: readonly Written[]): Rule {
  const has = (direction: Direction) => written.some(({ element }) => element.direction === direction);
  const defaultDeny = { ingress: has("ingress"), egress: has("egress") };
  const section = (direction: Direction) =>
    has(direction)
      ? { [direction]: written.filter(({ element }) => element.direction === direction).map(({ api }) => api) }
      : {};
  const elements = written.map(({ element }) => element);
  return new ReadRule(
    { subject: toLabelSelector(subject), isNode: false, elements, defaultDeny },
    { key: header.key, name: header.labelName },
    (labels) => ({
      endpointSelector: selectorToApi(subject),
      ...section("ingress"),
      ...section("egress"),
      ...labelsToApi({ labels, defaultDeny }),
    }),
  );
}

/** Reads one element of `ingress` or `egress`. No peers = everybody. */
function parseKubeRule(value: unknown, at: Field, place: Place): Written[] | undefined {
  let peers: readonly (WrittenPeer & { readonly path: string })[] = [];
  let ports: readonly PortRule[] = [];
  let portsApi: unknown[] = [];
  const isRead = at.object(value, {
    [place.direction === "ingress" ? "from" : "to"]: (content: unknown, field: Field) => {
      peers = field.list(content, (each, item) => parsePeer(each, item, place)) ?? [];
    },
    ports: (content, field) => {
      ports = field.list(content, parseKubePort) ?? [];
      portsApi = ports.map(portToApi);
    },
  });
  if (!isRead) return undefined;
  const everybody = { selector: WILDCARD, api: { [`${fieldPrefix(place)}Entities`]: ["all"] }, path: at.path };
  return (peers.length === 0 ? [everybody] : peers).map(({ selector, api, path }) => ({
    element: {
      direction: place.direction,
      verdict: "allow",
      tier: Tier.Normal,
      priority: 0,
      peers: [selector],
      ...(ports.length > 0 ? { ports } : {}),
      path,
    },
    api: { ...api, ...(portsApi.length > 0 ? { toPorts: portsApi } : {}) },
  }));
}

function fieldPrefix({ direction }: Place): string {
  return direction === "ingress" ? "from" : "to";
}

function parsePeer(value: unknown, at: Field, place: Place): (WrittenPeer & { readonly path: string }) | undefined {
  let pods: WrittenSelector | undefined;
  let namespaces: WrittenSelector | undefined;
  let block: WrittenPeer | undefined;
  const isRead = at.object(value, {
    podSelector: (content, field) => {
      pods = parsePodSelector(content, field);
    },
    namespaceSelector: (content, field) => {
      namespaces = parseNamespaceSelector(content, field);
    },
    ipBlock: (content, field) => {
      block = parseIpBlock(content, field, place);
    },
  });
  if (!isRead) return undefined;
  const isBlock = (value["ipBlock"] ?? null) !== null;
  if (isBlock && (pods !== undefined || namespaces !== undefined))
    at.child("ipBlock").refuse("cannot stand beside other selectors", "write one element for each");
  if (block !== undefined) return { ...block, path: at.path };
  if (isBlock) return undefined;
  if (pods === undefined && namespaces === undefined) {
    at.refuse("selects nobody", "write podSelector, namespaceSelector or ipBlock");
    return undefined;
  }
  const written = scopedPods(pods ?? NO_CONDITIONS, namespaces, place);
  const selector = toLabelSelector(written);
  warnOfSelector(selector, at);
  return { selector, api: { [`${fieldPrefix(place)}Endpoints`]: [selectorToApi(written)] }, path: at.path };
}

/** Without a selector of namespaces the pods are those of the policy's own. */
function scopedPods(pods: WrittenSelector, namespaces: WrittenSelector | undefined, place: Place): WrittenSelector {
  const scoped = inCluster(pods, pods, place.cluster);
  return namespaces === undefined ? withLabel(scoped, NAMESPACE_KEY, place.namespace) : both(namespaces, scoped);
}

function parseIpBlock(value: unknown, at: Field, place: Place): WrittenPeer | undefined {
  let cidr: ReturnType<typeof readCidr>;
  let except: readonly NonNullable<typeof cidr>[] = [];
  const isRead = at.object(
    value,
    {
      cidr: (content, field) => {
        cidr = readCidr(content, field, false);
      },
      except: (content, field) => {
        except = field.list(content, (each, item) => readCidr(each, item, false)) ?? [];
      },
    },
    { required: ["cidr"] },
  );
  if (!isRead || cidr === undefined) return undefined;
  for (const [index, excluded] of except.entries()) {
    if (!cidrContains(cidr, excluded) || excluded.length === cidr.length)
      at.child("except").index(index).refuse("must be inside `cidr` and smaller", "leave it out");
  }
  return { selector: cidrSelector(cidr, except), api: { [`${fieldPrefix(place)}CIDRSet`]: [value] } };
}

const PROTOCOLS = { TCP: Protocol.Tcp, UDP: Protocol.Udp, SCTP: Protocol.Sctp } as const;

/** Reads one element of `ports`. No port = every port of the protocol, no protocol = TCP. */
function parseKubePort(value: unknown, at: Field): PortRule | undefined {
  let target: { readonly port: number; readonly name?: string } = { port: 0 };
  let protocol: number = Protocol.Tcp;
  let endPort = 0;
  const isRead = at.object(value, {
    protocol: (content, field) => {
      const name = field.choice(content, ["TCP", "UDP", "SCTP"] as const);
      if (name !== undefined) protocol = PROTOCOLS[name];
    },
    port: (content, field) => {
      target = parseKubeTarget(content, field) ?? target;
    },
    endPort: (content, field) => {
      endPort = field.integer(content, 1, MAX_PORT) ?? 0;
    },
  });
  if (!isRead) return undefined;
  const { port, name } = target;
  if (endPort !== 0) {
    const field = at.child("endPort");
    if (name !== undefined) field.refuse("cannot stand beside a named port", "write the port's number");
    else if (port === 0) field.refuse("needs a port", "write `port`, the first one of the range");
    else if (endPort < port) field.refuse("must not be below the port", "turn them around", endPort);
  }
  const spec: PortSpec =
    name !== undefined ? { protocol, name, port: 0, endPort: 0 } : { protocol, port, endPort: Math.max(port, endPort) };
  return { ports: [spec] };
}

function parseKubeTarget(value: unknown, at: Field): { port: number; name?: string } | undefined {
  if (typeof value === "string") {
    if (isPortName(value)) return { port: 0, name: value };
    const mend = /^[0-9]+$/.test(value)
      ? "write the number without quotes"
      : "use lower-case letters, digits and dashes";
    at.refuse("not the name of a port", mend, value);
    return undefined;
  }
  const port = at.integer(value, 1, MAX_PORT);
  return port === undefined ? undefined : { port };
}

function portToApi({ ports }: PortRule): unknown {
  const names = new Map<number, string>(Object.entries(PROTOCOLS).map(([name, number]) => [number, name]));
  return {
    ports: ports.map(({ protocol, name, port, endPort }) => ({
      port: name ?? String(port),
      ...(endPort > port ? { endPort } : {}),
      protocol: names.get(protocol),
    })),
  };
}
