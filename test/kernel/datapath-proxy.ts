/** The smallest transparent proxy: accepts what the datapath redirects, connects on with the client's address. */
import { createServer, Socket } from "node:net";
import type { ProxyOrigin, ProxyOrigins } from "../../src/datapath/port.ts";
import { PROXY_MARK_INGRESS, SocketOption } from "../../src/model/proxy-mark.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { setOption, wildcards } from "../../src/proxy/socket-calls.ts";
import { openTransparentConnection, openTransparentListener } from "../../src/proxy/sockets.ts";

export interface Listener {
  readonly port: number;
  readonly accepted: Record<string, unknown>[];
  close(): void;
}

function serve(client: Socket, direction: Direction, origins: ProxyOrigins, accepted: Record<string, unknown>[]): void {
  const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = client;
  const origin: ProxyOrigin | undefined = origins.lookup(remoteAddress, remotePort, localAddress, localPort);
  accepted.push({ client: remoteAddress, server: localAddress, port: localPort, origin: origin ?? null });
  const follow = origins.follow(remoteAddress, remotePort, localAddress, localPort);
  let known = origin?.sourceIdentity;
  client.on("data", () => {
    const now = follow()?.sourceIdentity;
    if (now !== known) accepted.push({ client: remoteAddress, became: now ?? null });
    known = now;
  });
  const ends = {
    clientAddress: remoteAddress,
    clientPort: remotePort,
    serverAddress: localAddress,
    serverPort: localPort,
  };
  const judged = { sourceIdentity: 0, destinationIdentity: 0, endpoint: 0, ...origin, direction };
  const upstream = new Socket({ fd: openTransparentConnection({ ...ends, origin: judged }) });
  client.on("close", () => upstream.destroy()); // it may still be trying to connect
  for (const [a, b] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    a.on("error", () => b.destroy());
    a.pipe(b);
  }
}

/**
 * Listens at `port` on all addresses of the families that there are, transparent and marked, and pipes every connection on.
 * The mark 0: as some other program of the node would, which cannot set it.
 */
export function listenTransparently(port: number, mark: number, origins: ProxyOrigins): Listener {
  const direction = mark === PROXY_MARK_INGRESS ? "ingress" : "egress";
  const accepted: Record<string, unknown>[] = [];
  const servers = wildcards().map((wildcard) => {
    const fd = openTransparentListener(port, direction, wildcard);
    if (mark === 0) setOption(fd, SocketOption.Mark, 0, "a stranger");
    return createServer((client) => serve(client, direction, origins, accepted)).listen({ fd });
  });
  return {
    port,
    accepted,
    close: () => {
      for (const server of servers) server.close();
    },
  };
}
