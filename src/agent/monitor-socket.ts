import { type Monitor, PAYLOADS } from "./monitor.ts";
import { serveConnections } from "./unix-socket.ts";

/** Serves the stream that upstream's `cilium-dbg monitor` reads, on a unix socket (`monitor1_2.sock`). */
export function serveMonitorSocket(path: string, monitor: Monitor): Promise<{ close(): void }> {
  return serveConnections(path, (socket) => {
    // nothing is said by clients: what they send is thrown away, and their end is noticed
    socket.resume();
    monitor.attach(socket, PAYLOADS);
  });
}
