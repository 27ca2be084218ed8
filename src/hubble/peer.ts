import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ChangeNotificationSchema, ChangeNotificationType, type Peer } from "../../proto/gen/peer_pb.js";
import type { Handlers } from "./server.ts";

/** A node with an observer. */
export interface PeerNode {
  /** As `nodeFullName` gives it. */
  readonly name: string;
  /** `host:port`, or `host` for port 4244. */
  readonly address: string;
  /** Name in the certificate of an observer that speaks TLS; absent = it speaks cleartext. */
  readonly serverName?: string;
}

/** The nodes that are known now, and word of changes. */
export interface PeerSource {
  list(): readonly PeerNode[];
  /** Calls back after each change until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/** A source over a list that never changes. */
export function staticPeers(peers: readonly PeerNode[]): PeerSource {
  return { list: () => peers, onChange: () => () => undefined };
}

/** What changed from one list to the next: a new address is an update, an unchanged node is silent. */
export function peerChanges(
  before: ReadonlyMap<string, PeerNode>,
  now: ReadonlyMap<string, PeerNode>,
): MessageInitShape<typeof ChangeNotificationSchema>[] {
  const gone = [...before].filter(([name]) => !now.has(name));
  const fresh = [...now].filter(([name]) => !before.has(name));
  const moved = [...now].filter(([name, { address }]) => before.has(name) && before.get(name)?.address !== address);
  const notify =
    (type: ChangeNotificationType) =>
    ([name, { address, serverName }]: [string, PeerNode]) => ({
      ...{ name, address, type },
      ...(serverName === undefined ? {} : { tls: { serverName } }),
    });
  return [
    ...gone.map(notify(ChangeNotificationType.PEER_DELETED)),
    ...fresh.map(notify(ChangeNotificationType.PEER_ADDED)),
    ...moved.map(notify(ChangeNotificationType.PEER_UPDATED)),
  ];
}

/** Peer.Notify over a source. */
export function peerService(source: PeerSource): Handlers<typeof Peer> {
  return {
    async *notify(_request, { signal }) {
      let known: ReadonlyMap<string, PeerNode> = new Map();
      while (!signal.aborted) {
        const changed = nextChange(source, signal);
        const now = new Map(source.list().map((node) => [node.name, node]));
        yield* peerChanges(known, now);
        known = now;
        await changed;
      }
    },
  };
}

function nextChange(source: PeerSource, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = source.onChange(done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
