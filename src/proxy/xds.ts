import type { L7Redirect } from "../policy/policy-map.ts";

/**
 * What the agent tells the proxy, over gRPC on `xds.sock` (proto/proxy.proto carries these as messages shaped like
 * Cilium's network policy discovery). Versions only grow; the proxy acknowledges each with the ports it listens on.
 */
export interface NetworkPolicy {
  readonly endpointId: number;
  readonly endpointIp: string;
  readonly revision: number;
  readonly redirects: readonly L7Redirect[];
  /** Secrets that the rules name and that exist, by `namespace/name`; values are bytes, one character each. */
  readonly secrets: ReadonlyMap<string, string>;
}
