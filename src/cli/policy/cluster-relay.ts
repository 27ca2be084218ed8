import { labOfAuthority } from "../../lab/ports.ts";
import type { ClusterChoice } from "./cluster-inventory.ts";
import { clusterCredentials } from "./cluster-source.ts";

/** A server of flows, and the lab that it is of; absent = of a cluster elsewhere. */
export interface FlowServer {
  readonly server: string;
  readonly lab?: string;
}

/**
 * Where the flows of a cluster come from: what is given, else the relay of the lab that the credentials are of. Of another
 * cluster nobody but its user knows a way to the relay, and flows of the wrong one would be judged: then it throws an Error that says what to do.
 */
export async function relayOf(choice: ClusterChoice, given: string | undefined): Promise<FlowServer> {
  if (given !== undefined && given !== "") return { server: given };
  const { title, credentials } = await clusterCredentials(choice).catch((error: unknown) => {
    throw new Error(`whose flows? --server ADDRESS names a relay; else: ${(error as Error).message}`);
  });
  const relay = credentials.ca === undefined ? undefined : labOfAuthority(credentials.ca);
  if (relay !== undefined) return { server: relay.relay, lab: relay.lab };
  const options = Object.entries(choice).map(([name, value]) => ` --${name} ${value}`);
  throw new Error(
    `${title}: ${credentials.server} is no lab of this machine: --server must name the relay of this cluster. To reach it: kubectl${options.join("")} -n kube-system port-forward service/hubble-relay 4245:80, and then --server localhost:4245`,
  );
}
