import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { type Monitor, PAYLOADS } from "./monitor.ts";

/**
 * Serves the stream that upstream's `cilium-dbg monitor` reads, on a unix socket (`monitor1_2.sock`); takes the place of a
 * predecessor's socket file.
 */
export async function serveMonitorSocket(path: string, monitor: Monitor): Promise<{ close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    // nothing is said by clients: what they send is thrown away, and their end is noticed
    socket.resume();
    monitor.attach(socket, PAYLOADS);
  });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
