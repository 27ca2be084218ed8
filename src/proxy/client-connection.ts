import type { Socket } from "node:net";
import type { AccessRecord } from "../model/access-record.ts";
import type { ProxyOrigin } from "../model/proxy-origin.ts";
import type { ConnectionFacts } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { RequestPolicy } from "./request-policy.ts";
import type { StreamConnect, UpstreamConnect } from "./upstream-link.ts";

/** What a listener made of one accepted socket; it lives until that socket closes. */
export interface ClientConnection {
  /** The redirect is gone: what is under way is completed, nothing new begins, and what has no end ends now. */
  drain(): void;
  /** Another policy is in force; what is open beyond a request and would no longer be opened ends. */
  policyChanged(): void;
  /** Ends at once, both sides. */
  destroy(): void;
}

/** How long a client may take, in ms. */
export interface ClientLimits {
  /** From the first byte of a head to its last. */
  readonly headMs: number;
  /** With no byte either way, as Cilium's Envoy has it for a stream. */
  readonly idleMs: number;
  /** To close after the last answer. */
  readonly lingerMs: number;
}

export const CLIENT_LIMITS: ClientLimits = { headMs: 60_000, idleMs: 300_000, lingerMs: 1000 };

export interface ClientConnectionOptions<Client extends ByteStream = Socket> {
  /** Half-open sockets are allowed; nothing of it has been read. */
  readonly client: Client;
  readonly facts: ConnectionFacts;
  /** Who the kernel takes the two ends for at this moment; undefined = it does not know the connection any more. */
  readonly origin: () => ProxyOrigin | undefined;
  /** The policy in force at this moment; undefined = the redirect is gone. */
  readonly policy: () => RequestPolicy | undefined;
  readonly connectUpstream: UpstreamConnect;
  readonly connectStream: StreamConnect;
  readonly record: (record: AccessRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly connectTimeoutMs: number;
  readonly limits: ClientLimits;
}
