import { equalJson } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { reservedIdentityLabels } from "../model/identity.ts";
import { toLabels } from "../model/label.ts";
import type { CidrIdentities } from "./cidr-identities.ts";
import { syncCidrs } from "./cidr-sync.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";
import type { KubeInputs } from "./kube-inputs.ts";
import { apiServerAddresses, nodeAddressesOf, nodeEntries } from "./node-addresses.ts";
import type { AgentOptions } from "./options.ts";
import { frontendKey, type NamedFrontend, serviceFrontends } from "./service-frontends.ts";
import type { StateDirectory } from "./state-directory.ts";

const API_SERVER = { source: "reserved", key: "kube-apiserver", value: "" };

export interface DerivedParts {
  readonly options: AgentOptions;
  readonly inputs: KubeInputs;
  readonly sources: IpcacheSources;
  readonly identities: IdentityTable;
  readonly numbers: CidrIdentities;
  readonly state: StateDirectory;
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

  constructor(parts: DerivedParts) {
    this.parts = parts;
    this.serviceIds = parts.state.serviceIds();
  }

  get services(): readonly NamedFrontend[] {
    return [...this.frontends.values()].sort((a, b) => a.id - b.id);
  }

  frontend(key: string): NamedFrontend | undefined {
    return this.frontends.get(key);
  }

  isNode(address: string): boolean {
    return this.nodePrefixes.has(`${address}/32`);
  }

  /** True when an identity came, went or changed. */
  update(): boolean {
    const nodes = this.stale.nodes && this.updateNodes();
    const cidrs = this.stale.cidrs && this.updateCidrs();
    if (this.stale.services) this.updateServices();
    return nodes || cidrs;
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
    const host = reservedIdentityLabels(ReservedIdentity.Host)!;
    const isApiServer = apiServers.has(options.node.address) || options.node.apiServer;
    return identities.learn(ReservedIdentity.Host, isApiServer ? toLabels([...host, API_SERVER]) : host);
  }

  private updateCidrs(): boolean {
    this.stale.cidrs = false;
    return syncCidrs(this.parts, this.parts.options.engine.requiredCidrs(), this.externalApiServers);
  }

  private updateServices(): void {
    this.stale.services = false;
    const { inputs, options, state } = this.parts;
    const { frontends, ids } = serviceFrontends(inputs.services.list(), inputs.slices.list(), this.serviceIds);
    if (!equalJson(ids, this.serviceIds)) state.saveServiceIds(ids);
    this.serviceIds = ids;
    this.frontends = new Map(frontends.map((frontend) => [frontendKey(frontend), frontend]));
    options.datapath.setServices(frontends);
  }
}
