import { ReservedIdentity } from "../model/addresses.ts";
import { bitsOf, type Cidr, cidrContains, parseAddress, parseCidr } from "../model/cidr.ts";
import { WORLD_KEYS } from "../model/cidr-label.ts";
import { identityCandidates, identityLabelsOfPod, reservedIdentities } from "../model/identity.ts";
import { FIRST_LOCAL_IDENTITY, FIRST_REMOTE_NODE_IDENTITY, scopeOfLabels } from "../model/identity-scope.ts";
import { formatLabel, formatLabels, type Label, type Labels, parseLabel, toLabels } from "../model/label.ts";
import { type LabelFilter, parseLabelFilter } from "../model/label-filter.ts";
import { protocolNumber } from "../model/protocol.ts";
import { wellKnownIdentities, wellKnownIdentity } from "../model/well-known-identity.ts";
import { FqdnLabels } from "./fqdn/fqdn-labels.ts";
import { distinctPorts, type NamedPort } from "./named-ports.ts";
import { inheritedLabels, labelsOutside, type OutsidePrefixes, outsidePrefixes } from "./outside-labels.ts";
import { type Repository, requiredFqdns } from "./repository.ts";
import type { Scenario, ScenarioEndpoint } from "./scenario-format.ts";

/** Whoever can be at one end of a connection. */
export interface Somebody {
  readonly name: string;
  readonly identity: number;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  /** Policy is enforced at it. */
  readonly isEndpoint: boolean;
}

function isReserved(label: Label, keys: readonly string[]): boolean {
  return label.source === "reserved" && keys.includes(label.key);
}

/** Who is who in a scenario: names and addresses, and the identities behind them. */
export class ScenarioWorld {
  private readonly repository: Repository;
  private readonly byName = new Map<string, Somebody>();
  /** The longest first. */
  private readonly prefixes: { readonly cidr: Cidr; readonly somebody: Somebody }[] = [];
  private readonly portsByIdentity = new Map<number, NamedPort[]>();
  private readonly identityByLabels = new Map<string, number>();
  private readonly isDualStack: boolean;
  private readonly worldFamily: 4 | 6;
  private readonly cidrsMatchNodes: boolean;
  private readonly filter: LabelFilter;
  private readonly wellKnown: ReadonlyMap<number, Labels>;
  private nextLocal = FIRST_LOCAL_IDENTITY;
  private nextNode = FIRST_REMOTE_NODE_IDENTITY;

  /** The repository must hold the policies already: they say which prefixes and names need identities. */
  constructor(scenario: Omit<Scenario, "queries">, repository: Repository) {
    const { config = {} } = scenario;
    this.repository = repository;
    this.worldFamily = config.enableIPv4 === false ? 6 : 4;
    this.isDualStack = config.enableIPv4 !== false && config.enableIPv6 === true;
    const { clusterName = "default" } = config;
    this.filter = parseLabelFilter(config.labels ?? []);
    this.wellKnown = config.wellKnownIdentities === true ? wellKnownIdentities(clusterName, "kube-system") : new Map();
    for (const [identity, labels] of this.wellKnown) repository.selectors.upsertIdentity(identity, labels);
    this.cidrsMatchNodes = (config.cidrMatchMode ?? []).includes("nodes");
    const hostLabels = (scenario.hostLabels ?? []).map(parseLabel);
    for (const [identity, labels] of reservedIdentities(this.isDualStack)) {
      const isHost = identity === ReservedIdentity.Host;
      this.addReserved(
        identity,
        isHost ? toLabels([...labels, ...hostLabels]) : labels,
        isHost && config.hostFirewall === true,
      );
    }
    const outside = outsidePrefixes(repository, this.givenLabels(scenario));
    for (const endpoint of scenario.endpoints) this.addEndpoint(endpoint, clusterName, outside);
    this.addPrefixes(outside);
    this.prefixes.sort((a, b) => bitsOf(b.cidr) - bitsOf(a.cidr));
  }

  /** Undefined when nobody is called that. */
  find(name: string): Somebody | undefined {
    const known = this.byName.get(name);
    if (known !== undefined || parseAddress(name) === undefined) return known;
    const address = parseCidr(name)!;
    return this.prefixes.find(({ cidr }) => cidrContains(cidr, address))?.somebody;
  }

  readonly namedPortsOf = (identity: number): readonly NamedPort[] => this.portsByIdentity.get(identity) ?? [];

  private addReserved(identity: number, labels: Labels, isEndpoint: boolean): void {
    this.repository.selectors.upsertIdentity(identity, labels);
    const somebody = { identity, labels, namedPorts: [], isEndpoint };
    for (const label of labels) {
      const name = formatLabel(label);
      if (label.source === "reserved" && !this.byName.has(name)) this.byName.set(name, { ...somebody, name });
    }
  }

  private addEndpoint(endpoint: ScenarioEndpoint, cluster: string, outside: OutsidePrefixes): void {
    const namespace = endpoint.namespace ?? "default";
    const labels = this.labelsOf(endpoint, namespace, cluster, outside);
    const written = (endpoint.namedPorts ?? []).map(({ name, port, protocol = "TCP" }) => ({
      name,
      port,
      protocol: protocolNumber(protocol) ?? 0,
    }));
    const namedPorts = distinctPorts(written);
    const identity = endpoint.identity ?? this.identityFor(labels, namedPorts);
    if (!this.repository.selectors.hasIdentity(identity)) this.repository.selectors.upsertIdentity(identity, labels);
    this.portsByIdentity.set(identity, [...this.namedPortsOf(identity), ...namedPorts]);
    const somebody = { name: `${namespace}/${endpoint.name}`, identity, labels, namedPorts, isEndpoint: true };
    this.byName.set(somebody.name, somebody);
    if (!this.byName.has(endpoint.name)) this.byName.set(endpoint.name, somebody);
    for (const ip of endpoint.ips ?? []) {
      const cidr = parseCidr(ip);
      if (cidr !== undefined) this.prefixes.push({ cidr, somebody });
    }
  }

  private labelsOf(
    { rawLabels, labels, namespaceLabels, serviceAccount, cluster, ips = [] }: ScenarioEndpoint,
    namespace: string,
    clusterName: string,
    outside: OutsidePrefixes,
  ): Labels {
    if (rawLabels === undefined) {
      const pod = {
        podLabels: labels ?? {},
        namespace,
        namespaceLabels: namespaceLabels ?? {},
        serviceAccount: serviceAccount ?? "",
        cluster: cluster ?? clusterName,
      };
      return identityLabelsOfPod(pod, this.filter);
    }
    const own = rawLabels.map(parseLabel);
    if (!this.cidrsMatchNodes || !own.some((label) => isReserved(label, ["host", "remote-node"]))) return toLabels(own);
    const inherited = ips.flatMap((ip) => {
      const cidr = parseCidr(ip);
      return cidr === undefined ? [] : inheritedLabels(cidr, outside);
    });
    return toLabels([...inherited.filter((label) => !isReserved(label, WORLD_KEYS)), ...own]);
  }

  /** Pods whose port names differ have different identities, or a name would not stand for one number (Cilium 1.20). */
  private identityFor(labels: Labels, namedPorts: readonly NamedPort[]): number {
    const ports = namedPorts.map(({ name, port, protocol }) => `${name.toLowerCase()}.${protocol}.${port}`).sort();
    const text = [...formatLabels(labels), ...ports].join("\n");
    const known = this.identityByLabels.get(text) ?? wellKnownIdentity(labels, this.wellKnown);
    if (known !== undefined) return known;
    for (const candidate of identityCandidates(labels)) {
      if (this.repository.selectors.hasIdentity(candidate)) continue;
      this.identityByLabels.set(text, candidate);
      return candidate;
    }
    throw new Error("every identity is taken");
  }

  /** What is known of prefixes outside beside the policies: addresses of names, and labels given. */
  private *givenLabels({
    cidrLabels = {},
    fqdnCache = {},
  }: Omit<Scenario, "queries">): Iterable<readonly [string, readonly Label[]]> {
    for (const [text, labels] of Object.entries(cidrLabels)) yield [text, labels.map(parseLabel)];
    const names = new FqdnLabels();
    names.setSelectors(requiredFqdns(this.repository));
    for (const [name, addresses] of Object.entries(fqdnCache)) names.update(name, addresses);
    yield* names.entries();
  }

  private addPrefixes(outside: OutsidePrefixes): void {
    const world = this.byName.get("reserved:world")!;
    for (const everything of ["0.0.0.0/0", "::/0"]) {
      const cidr = parseCidr(everything)!;
      this.prefixes.push({ cidr, somebody: this.byName.get(`reserved:${this.worldKey(cidr.family)}`) ?? world });
    }
    const options = { worldKey: (family: 4 | 6) => this.worldKey(family), cidrsMatchNodes: this.cidrsMatchNodes };
    for (const [, { cidr }] of outside.entries())
      this.prefixes.push({ cidr, somebody: this.outsider(labelsOutside(cidr, outside, options)) });
  }

  /** Where one family alone is enabled, its world is `world`; the other's is a label that no identity of its own has. */
  private worldKey(family: 4 | 6): string {
    return !this.isDualStack && family === this.worldFamily ? "world" : `world-ipv${family}`;
  }

  private outsider(labels: Labels): Somebody {
    const text = formatLabels(labels).join("\n");
    const isNode = scopeOfLabels(labels) === "remoteNode";
    const identity = this.identityByLabels.get(text) ?? (isNode ? this.nextNode++ : this.nextLocal++);
    this.identityByLabels.set(text, identity);
    if (!this.repository.selectors.hasIdentity(identity)) this.repository.selectors.upsertIdentity(identity, labels);
    return { name: formatLabel(labels[0]!), identity, labels, namedPorts: [], isEndpoint: false };
  }
}
