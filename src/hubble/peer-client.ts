import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type ChangeNotification, ChangeNotificationType, Peer } from "../../proto/gen/peer_pb.js";
import type { PeerNode, PeerSource } from "./peer.ts";

const FIRST_RETRY_MS = 200;
/** The service is on this machine, or on the next: asking it costs little, and who comes with it waits to be seen. */
const LAST_RETRY_MS = 1000;
/** A service that was away tells all of its nodes at once; those that it has not named by then are gone. */
const SETTLE_MS = 1000;

/** Nodes that are kept for the next program. */
export interface PeerMemory {
  /** Never throws; what is not readable is nothing. */
  read(): readonly PeerNode[];
  /** Never throws. */
  write(nodes: readonly PeerNode[]): void;
}

export interface PeerServiceOptions {
  /** `unix:///path` or `host:port`, in clear. */
  readonly address: string;
  /** Whether we speak TLS with nodes; one that does otherwise is left out. */
  readonly tls: boolean;
  /** Has the nodes that are asked until the service tells of its own. */
  readonly memory?: PeerMemory;
  readonly log: (message: string) => void;
}

function clientOf(address: string) {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(address)?.[1];
  const baseUrl = `http://${path === undefined ? address : "localhost"}`;
  const options = path === undefined ? undefined : { createConnection: () => connect(path) };
  const sessions = new Http2SessionManager(baseUrl, undefined, options);
  return { client: createClient(Peer, createGrpcTransport({ baseUrl, sessionManager: sessions })), sessions };
}

/** The nodes that a peer service tells of, kept while it is away. */
export class PeerServiceSource implements PeerSource {
  private readonly options: PeerServiceOptions;
  private readonly known = new Map<string, PeerNode>();
  private readonly listeners = new Set<() => void>();
  private readonly stop = new AbortController();
  private readonly connection: ReturnType<typeof clientOf>;
  private told = "";

  /** Follows the service at once and until `close`. */
  constructor(options: PeerServiceOptions) {
    this.options = options;
    this.connection = clientOf(options.address);
    const known = options.memory?.read() ?? [];
    for (const node of known) if (this.isUnderstood(node.serverName ?? "")) this.known.set(node.name, node);
    void this.follow();
  }

  list(): readonly PeerNode[] {
    return [...this.known.values()];
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.stop.abort();
    this.connection.sessions.abort();
  }

  private async follow(): Promise<void> {
    const { signal } = this.stop;
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      await this.readOnce(() => {
        retryMs = FIRST_RETRY_MS;
      }).catch((error: Error) => this.tell(`no nodes from ${this.options.address}: ${error.message}`));
      if (signal.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
    }
  }

  /** One stream, to its end; what it does not name again is forgotten. */
  private async readOnce(answered: () => void): Promise<void> {
    const unnamed = new Set(this.known.keys());
    let settling: NodeJS.Timeout | undefined;
    const settle = () => {
      for (const name of unnamed) this.known.delete(name);
      if (unnamed.size > 0) this.changed();
    };
    try {
      for await (const notification of this.connection.client.notify({}, { signal: this.stop.signal })) {
        answered();
        settling ??= setTimeout(settle, SETTLE_MS).unref();
        unnamed.delete(notification.name);
        this.take(notification);
      }
    } finally {
      clearTimeout(settling);
    }
  }

  private take({ name, address, type, tls }: ChangeNotification): void {
    const serverName = tls?.serverName ?? "";
    if (type === ChangeNotificationType.PEER_DELETED) this.known.delete(name);
    else if (!this.isUnderstood(serverName)) {
      this.known.delete(name);
      this.tell(
        `node ${name} is left out: it speaks ${serverName === "" ? "no TLS, and we do" : "TLS, and we have no certificate"}`,
      );
    } else this.known.set(name, { name, address, ...(serverName !== "" && { serverName }) });
    this.changed();
  }

  private isUnderstood(serverName: string): boolean {
    return (serverName !== "") === this.options.tls;
  }

  private changed(): void {
    this.options.memory?.write(this.list());
    for (const listener of this.listeners) listener();
  }

  /** The same is told once. */
  private tell(message: string): void {
    if (!this.stop.signal.aborted && message !== this.told) this.options.log(message);
    this.told = message;
  }
}
