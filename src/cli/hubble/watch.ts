import { type ChangeNotification, ChangeNotificationType, Peer } from "../../../proto/gen/peer_pb.js";
import { write } from "../cobra/run.ts";
import { callError } from "./call-error.ts";
import type { Connection } from "./connection.ts";

const TYPE_WIDTH = 12;

/** `PEER_ADDED   192.168.10.11:4244 default/k8s-w1`, with the name for TLS when the peer speaks it. */
export function peerLine({ type, address, name, tls }: ChangeNotification): string {
  const server = tls ? ` (TLS.ServerName: ${tls.serverName})` : "";
  return `${(ChangeNotificationType[type] ?? String(type)).padEnd(TYPE_WIDTH)} ${address} ${name}${server}\n`;
}

/** `hubble watch peers`: the peers of a node's server, then their changes until the user ends it. */
export async function watchPeers(connection: Connection, signal: AbortSignal): Promise<void> {
  try {
    for await (const change of connection.client(Peer).notify({}, { signal })) await write(peerLine(change));
  } catch (error) {
    if (!signal.aborted) throw callError(error);
  }
}
