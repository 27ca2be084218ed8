import { bitsOf, type Cidr, cidrContains, parseAddress, parseCidr } from "../model/cidr.ts";
import { cidrLabels } from "../model/cidr-label.ts";
import { identityCandidates, identityLabelsOfPod, reservedIdentities } from "../model/identity.ts";
import { formatLabel, formatLabels, type Labels, parseLabel, toLabels } from "../model/label.ts";
import { protocolNumber } from "../model/protocol.ts";
import type { Selector } from "../model/selector.ts";
import type { NamedPort } from "./port-resolution.ts";
import { SelectorCache } from "./selector-cache.ts";

export interface ScenarioEndpoint {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly cluster?: string;
  readonly namedPorts?: readonly { readonly name: string; readonly port: number; readonly protocol?: string }[];
  readonly ips?: readonly string[];
  readonly identity?: number;
  /** `source:key=value`; replace the computed ones. */
  readonly rawLabels?: readonly string[];
}

/** Whoever can be at one end of a connection. */
export interface Somebody {
  readonly name: string;
  readonly identity: number;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  /** Policy is enforced at it. */
  readonly isEndpoint: boolean;
}

export interface WorldFacts {
  readonly cluster: string;
  readonly dualStack: boolean;
  /** Prefixes that need an identity. */
  readonly cidrs: readonly string[];
  readonly cidrLabels: Readonly<Record<string, readonly string[]>>;
}

const FIRST_LOCAL_IDENTITY = 16_777_217;

/** Who is who in a scenario: names and addresses, and the identities behind them. */
export class ScenarioWorld {
  private readonly cache = new SelectorCache();
  private readonly byName = new Map<string, Somebody>();
  private readonly prefixes: { readonly cidr: Cidr; readonly somebody: Somebody }[] = [];
  private readonly portsByIdentity = new Map<number, NamedPort[]>();
  private readonly identityByLabels = new Map<string, number>();

  constructor(endpoints: readonly ScenarioEndpoint[], facts: WorldFacts) {
    for (const [identity, labels] of reservedIdentities()) this.addReserved(identity, labels);
    for (const endpoint of endpoints) this.addEndpoint(endpoint, facts.cluster);
    this.addPrefixes(facts);
    this.prefixes.sort((a, b) => bitsOf(b.cidr) - bitsOf(a.cidr));
  }

  /** Undefined when nobody is called that. */
  find(name: string): Somebody | undefined {
    const known = this.byName.get(name);
    if (known !== undefined || parseAddress(name) === undefined) return known;
    const address = parseCidr(name)!;
    return this.prefixes.find(({ cidr }) => cidrContains(cidr, address))?.somebody;
  }

  select(selector: Selector): ReadonlySet<number> {
    return this.cache.select(selector);
  }

  namedPorts(identity: number): readonly NamedPort[] {
    return this.portsByIdentity.get(identity) ?? [];
  }

  private addReserved(identity: number, labels: Labels): void {
    this.cache.upsertIdentity(identity, labels);
    const name = formatLabel(labels[0]!);
    this.byName.set(name, { name, identity, labels, namedPorts: [], isEndpoint: false });
  }

  private addEndpoint(endpoint: ScenarioEndpoint, cluster: string): void {
    const namespace = endpoint.namespace ?? "default";
    const labels =
      endpoint.rawLabels === undefined
        ? identityLabelsOfPod({
            podLabels: endpoint.labels ?? {},
            namespace,
            namespaceLabels: endpoint.namespaceLabels ?? {},
            serviceAccount: endpoint.serviceAccount ?? "",
            cluster: endpoint.cluster ?? cluster,
          })
        : toLabels(endpoint.rawLabels.map(parseLabel));
    const identity = endpoint.identity ?? this.identityFor(labels);
    const namedPorts = (endpoint.namedPorts ?? []).map(({ name, port, protocol = "TCP" }) => ({
      name,
      port,
      protocol: protocolNumber(protocol) ?? 0,
    }));
    this.cache.upsertIdentity(identity, labels);
    this.portsByIdentity.set(identity, [...this.namedPorts(identity), ...namedPorts]);
    const somebody = { name: `${namespace}/${endpoint.name}`, identity, labels, namedPorts, isEndpoint: true };
    this.byName.set(somebody.name, somebody);
    if (!this.byName.has(endpoint.name)) this.byName.set(endpoint.name, somebody);
    for (const ip of endpoint.ips ?? []) {
      const cidr = parseCidr(ip);
      if (cidr !== undefined) this.prefixes.push({ cidr, somebody });
    }
  }

  private identityFor(labels: Labels): number {
    const text = formatLabels(labels).join("\n");
    const known = this.identityByLabels.get(text);
    if (known !== undefined) return known;
    for (const candidate of identityCandidates(labels)) {
      if (this.cache.labelsOf(candidate) !== undefined) continue;
      this.identityByLabels.set(text, candidate);
      return candidate;
    }
    throw new Error("every identity is taken");
  }

  /** What is outside: the world, each prefix of the policies, and each that was given labels. */
  private addPrefixes({ cidrs, cidrLabels: extra, dualStack }: WorldFacts): void {
    const given = new Map([...cidrs, ...Object.keys(extra)].map((text) => [text, parseCidr(text)]));
    let identity = FIRST_LOCAL_IDENTITY;
    const world = this.byName.get("reserved:world")!;
    for (const everything of ["0.0.0.0/0", "::/0"]) {
      const cidr = parseCidr(everything)!;
      const somebody = dualStack ? this.outsider(identity++, cidrLabels(cidr, true)) : world;
      this.prefixes.push({ cidr, somebody });
    }
    for (const cidr of given.values()) {
      if (cidr === undefined || cidr.length === 0) continue;
      const inherited = [...given].filter(([, outer]) => outer !== undefined && cidrContains(outer, cidr));
      const added = inherited.flatMap(([text]) => extra[text] ?? []).map(parseLabel);
      this.prefixes.push({
        cidr,
        somebody: this.outsider(identity++, toLabels([...cidrLabels(cidr, dualStack), ...added])),
      });
    }
  }

  private outsider(identity: number, labels: Labels): Somebody {
    this.cache.upsertIdentity(identity, labels);
    return { name: formatLabel(labels[0]!), identity, labels, namedPorts: [], isEndpoint: false };
  }
}
