import type { Datapath, RealizedPolicy } from "../datapath/port.ts";
import { datapathConfig, type Endpoint, HEALTH_OWNER, newEndpoint, ownerOf } from "./endpoint.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { Ipam } from "./ipam.ts";
import type { StateDirectory } from "./state-directory.ts";

/** Nothing passes: for an endpoint in the kernel of which nothing is known. */
const CLOSED: RealizedPolicy = {
  policy: {
    revision: 0,
    version: 0,
    ingressEnforced: true,
    egressEnforced: true,
    entries: [],
    redirects: [],
    origins: [],
    ingressDefaultOrigin: -1,
    egressDefaultOrigin: -1,
  },
  proxyPorts: new Map(),
  cookies: [],
};

export interface RestoreParts {
  readonly datapath: Pick<Datapath, "listEndpoints" | "addEndpoint" | "removeEndpoint" | "setPolicy">;
  readonly state: StateDirectory;
  readonly table: EndpointTable;
  readonly identities: IdentityTable;
  readonly ipam: Ipam;
  readonly interfaces: () => ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: (message: string) => void;
}

const RESTORED = { state: "restoring", message: "Restored from an earlier agent" } as const;

/** An endpoint that the kernel knows under another identity than its record: the agent died while it changed. */
export type HalfChanged = readonly Endpoint[];

/**
 * Takes over the endpoints of the agent before. What the kernel enforces is left as it is: policies are set only when
 * all inputs have synced. An endpoint whose interface is gone is removed; one that the kernel lost comes back closed;
 * one without a record is closed. What is returned has to be told its identity again once policies are in force.
 */
export async function adoptEndpoints(parts: RestoreParts): Promise<HalfChanged> {
  const { datapath, state, table, identities, ipam } = parts;
  const inKernel = new Map(datapath.listEndpoints().map((endpoint) => [endpoint.id, endpoint]));
  const present = parts.interfaces();
  const halfChanged: Endpoint[] = [];
  for (const record of state.endpoints()) {
    const isWhole = record.identity !== 0 && present.has(record.request.interfaceName);
    const kernelIdentity = inKernel.get(record.id)?.identity;
    const wasInKernel = inKernel.delete(record.id);
    if (!isWhole) {
      if (wasInKernel) await datapath.removeEndpoint(record.id);
      state.removeEndpoint(record.id);
      continue;
    }
    const endpoint = newEndpoint(record.id, record.request, { ...RESTORED, at: parts.now() });
    endpoint.identity = record.identity;
    endpoint.labels = record.labels;
    if (!wasInKernel) await datapath.addEndpoint(datapathConfig(endpoint));
    endpoint.attached = true;
    if (wasInKernel && kernelIdentity !== record.identity) halfChanged.push(endpoint);
    table.add(endpoint);
    identities.learn(record.identity, record.labels);
  }
  for (const [id, endpoint] of inKernel) {
    if (!present.has(endpoint.interfaceName)) await datapath.removeEndpoint(id);
    else {
      parts.log(`endpoint ${id} (${endpoint.address}) is in the kernel but has no record: closed`);
      datapath.setPolicy(id, CLOSED);
    }
  }
  ipam.keepOnly(new Set(table.all().map((endpoint) => endpoint.request.address)), HEALTH_OWNER);
  for (const { request } of table.all()) ipam.claim(request.address, ownerOf(request));
  return halfChanged;
}
