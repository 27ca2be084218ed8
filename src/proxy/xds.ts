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
}

/** One request or response that the proxy judged; becomes an L7 flow and a monitor line. */
export interface AccessRecord {
  readonly type: "request" | "response";
  readonly verdict: "forwarded" | "denied" | "error";
  /** Milliseconds since the epoch, and nanoseconds within the millisecond are not kept. */
  readonly timeMs: number;
  readonly direction: "ingress" | "egress";
  readonly endpointId: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly protocol: "HTTP/1.0" | "HTTP/1.1" | "";
  readonly method: string;
  /** Absolute: `http://<host><target>`. */
  readonly url: string;
  /** 0 on a request. */
  readonly status: number;
  /** Milliseconds from request to response, 0 on a request. */
  readonly latencyMs: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Why a request was refused, empty when it was not: `no rule matched`, `two lengths`, ... */
  readonly reason: string;
}
