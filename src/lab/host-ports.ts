import { openSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import { openConnection, openListener } from "../runtime/netns-socket.ts";

/** The machine's own loopback, where the allowed services listen. */
const LOOPBACK = "127.0.0.1";

export interface HostPortsOptions {
  /** The lab's addresses of the machine, in this process's network namespace. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /** The machine's network namespace. */
  readonly hostNetns: string;
  readonly log: (message: string) => void;
}

/** Joins both ends byte for byte, half-closes included; when one breaks the other does. */
function join(client: Socket, server: Socket): void {
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.resetAndDestroy());
    from.on("close", () => to.destroySoon());
  }
}

function connectOut({ hostNetns, log }: HostPortsOptions, client: Socket, port: number): void {
  try {
    const fd = openConnection({ netnsPath: hostNetns, host: LOOPBACK, port });
    join(client, new Socket({ fd, readable: true, writable: true, allowHalfOpen: true }));
  } catch (error) {
    log(`${client.remoteAddress} to port ${port}: ${(error as Error).message}`);
    client.resetAndDestroy();
  }
}

/**
 * Leads TCP connections to these ports of the lab's addresses to the same ports of the machine's loopback: the only way out
 * of a lab. Throws when a port is taken.
 */
export function serveHostPorts(given: HostPortsOptions): readonly Server[] {
  // held open: the path may be that of a process, which ends
  const options = { ...given, hostNetns: `/proc/self/fd/${openSync(given.hostNetns, "r")}` };
  return options.addresses.flatMap((host) =>
    options.ports.map((port) => {
      const server = createServer({ allowHalfOpen: true }, (client) => connectOut(options, client, port));
      server.listen({ fd: openListener({ host, port }) });
      return server;
    }),
  );
}
