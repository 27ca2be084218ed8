import { equalJson } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { addressPrefix, parseCidr } from "../model/cidr.ts";
import { cidrKey } from "../model/cidr-label.ts";
import { reservedIdentityLabels } from "../model/identity.ts";
import { type Labels, toLabels } from "../model/label.ts";
import type { CidrIdentities } from "./cidr-identities.ts";
import { syncAddress, syncCidrs } from "./cidr-sync.ts";
import type { FqdnNames } from "./fqdn-names.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";
import type { KubeInputs } from "./kube-inputs.ts";
import { apiServerAddresses, nodeAddressesOf, nodeEntries, nodeRoutes } from "./node-addresses.ts";
import type { AgentOptions } from "./options.ts";
import { PolicyServices } from "./policy-services.ts";
import { frontendKey, type NamedFrontend, type ServiceNode, serviceFrontends } from "./service-frontends.ts";
import type { StateDirectory } from "./state-directory.ts";

const API_SERVER = { source: "reserved", key: "kube-apiserver", value: "" };

function apiServerLabels(address: string): Labels {
  return [{ source: "cidr", key: cidrKey(parseCidr(address)!), value: "" }, API_SERVER];
}

export interface DerivedParts {
  readonly options: AgentOptions;
  readonly inputs: KubeInputs;
  readonly sources: IpcacheSources;
  readonly identities: IdentityTable;
  readonly numbers: CidrIdentities;
  readonly state: StateDirectory;
  readonly names: FqdnNames;
}

/**
 * What follows from the inputs as a whole and not from one object: identities of nodes and prefixes, services.
 * `update` recomputes what is marked stale; it runs before policies are.
 */
export class Derived {
  readonly stale = { nodes: true, services: true, cidrs: true };
  private readonly parts: DerivedParts;
  private nodePrefixes: ReadonlySet<string> = new Set();
  private externalApiServers: ReadonlySet<string> = new Set();
  private frontends: ReadonlyMap<string, NamedFrontend> = new Map();
  private serviceIds: Readonly<Record<string, number>>;
  private readonly policyServices: PolicyServices;
  /** Routes that are not in the kernel yet. */
  private routes: ReadonlyMap<string, string> | undefined;
  /** The frontends are not in the kernel yet. */
  private isUnwritten = false;

  constructor(parts: DerivedParts) {
    this.parts = parts;
    this.policyServices = new PolicyServices(parts.options.engine);
    this.serviceIds = parts.state.serviceIds();
  }

  get services(): readonly NamedFrontend[] {
    return [...this.frontends.values()].sort((a, b) => a.id - b.id);
  }

  frontend(key: string): NamedFrontend | undefined {
    return this.frontends.get(key);
  }

  isNode(address: string): boolean {
    return this.nodePrefixes.has(addressPrefix(address));
  }

  /** True when every policy is to be computed again: an identity came, went or changed, or a service did. */
  update(): boolean {
    const nodes = this.stale.nodes && this.updateNodes();
    // Policies may select addresses behind services, so that these come first.
    const services = this.stale.services && this.updateServices();
    const cidrs = this.stale.cidrs && this.updateCidrs();
    return nodes || services || cidrs;
  }

  private updateNodes(): boolean {
    this.stale.nodes = false;
    const { inputs, sources, identities, options } = this.parts;
    const apiServers = apiServerAddresses(inputs.slices.list());
    const entries = nodeEntries(inputs.ciliumNodes.list(), options.node.name, apiServers);
    for (const prefix of this.nodePrefixes) if (!entries.has(prefix)) sources.setFixed("node", prefix, undefined);
    for (const [prefix, entry] of entries) sources.setFixed("node", prefix, entry);
    this.nodePrefixes = new Set(entries.keys());
    const nodes = new Set(inputs.ciliumNodes.list().map((node) => nodeAddressesOf(node)?.internal));
    this.externalApiServers = new Set([...apiServers].filter((address) => !nodes.has(address)));
    this.stale.cidrs = true;
    if (options.node.routingMode === "native") {
      this.routes = nodeRoutes(inputs.ciliumNodes.list(), options.node.name);
    }
    const host = reservedIdentityLabels(ReservedIdentity.Host)!;
    const isApiServer = apiServers.has(options.node.address) || options.node.apiServer;
    return identities.learn(ReservedIdentity.Host, isApiServer ? toLabels([...host, API_SERVER]) : host);
  }

  private updateCidrs(): boolean {
    this.stale.cidrs = false;
    const { names, options } = this.parts;
    const { engine } = options;
    names.setSelectors(engine.fqdnSelectors());
    const apiServers = [...this.externalApiServers].map(
      (address) => [addressPrefix(address), apiServerLabels(address)] as const,
    );
    return syncCidrs(this.parts, engine.outside([...apiServers, ...names.entries()]), engine.expected());
  }

  /** Names stand for these addresses now, or no longer. True as for `update`. */
  relabel(addresses: readonly string[]): boolean {
    const { engine } = this.parts.options;
    // All of them are looked at soon, and the selectors that they would be compared with may be old.
    if (this.stale.cidrs) return false;
    const changes = addresses.map((address) => {
      const apiServer = this.externalApiServers.has(address) ? apiServerLabels(address) : [];
      const outside = engine.outsideAddress(address, [...apiServer, ...this.parts.names.labelsOf(address)]);
      return syncAddress(this.parts, outside?.prefix ?? addressPrefix(address), outside?.labels);
    });
    return changes.includes(true);
  }

  /** Tells the kernel of services and routes that changed. Throws when it does not take them; the next call tries again. */
  write(): void {
    const { datapath } = this.parts.options;
    if (this.routes !== undefined) datapath.setRoutes(this.routes);
    this.routes = undefined;
    if (!this.isUnwritten) return;
    datapath.setServices([...this.frontends.values()]);
    this.isUnwritten = false;
  }

  private serviceNodes(): ServiceNode[] {
    return this.parts.inputs.ciliumNodes.list().flatMap((node) => {
      const addresses = nodeAddressesOf(node);
      if (addresses === undefined) return [];
      const { internal, ipv6 } = addresses;
      return [{ name: node.metadata.name, addresses: ipv6 === undefined ? [internal] : [internal, ipv6.internal] }];
    });
  }

  private updateServices(): boolean {
    this.stale.services = false;
    const { inputs, options, state } = this.parts;
    const changed = this.policyServices.update(inputs.services.list(), inputs.slices.list());
    if (changed) this.stale.cidrs = true;
    const { frontends, ids } = serviceFrontends(inputs.services.list(), inputs.slices.list(), this.serviceIds, {
      nodes: this.serviceNodes(),
      ownName: options.node.name,
    });
    if (!equalJson(ids, this.serviceIds)) state.saveServiceIds(ids);
    this.serviceIds = ids;
    this.frontends = new Map(frontends.map((frontend) => [frontendKey(frontend), frontend]));
    this.isUnwritten = true;
    return changed;
  }
}
