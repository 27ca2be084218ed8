import { createSocket } from "node:dgram";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { hostname } from "node:os";
import { listen } from "../listener.ts";

/** Answers every question with the pod's name, as `agnhost serve-hostname` does: by HTTP, TCP or UDP on one port. Resolves with it. */
export async function serveHostname(kind: "http" | "tcp" | "udp", port: number): Promise<number> {
  if (kind === "udp") {
    const socket = createSocket("udp4");
    socket.on("message", (_message, { address, port: from }) => socket.send(hostname(), from, address));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    socket.once("error", reject);
    socket.bind(port, () => resolve(socket.address().port));
    return promise;
  }
  if (kind === "http")
    return listen(
      createHttpServer((_request, response) => void response.end(hostname())),
      port,
    );
  return listen(
    createTcpServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(`${hostname()}\n`);
    }),
    port,
  );
}
