import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";

/**
 * Answers `GET /hello` with 200 and anything else with 404 on listening sockets (descriptors, which it takes over), whichever
 * network namespaces they stand in. `greeted` is told of the address that asked. Resolves when all are served.
 */
export async function serveHello(
  listeners: readonly number[],
  greeted: (address: string) => void = () => undefined,
): Promise<{ close(): void }> {
  const http = createHttpServer((request, response) => {
    if (request.url === "/hello") greeted(request.socket.remoteAddress ?? "");
    response.writeHead(request.url === "/hello" ? 200 : 404, { "content-length": 0 }).end();
  });
  const open = (fd: number) =>
    new Promise<Server>((resolve, reject) => {
      const server = createServer((socket) => http.emit("connection", socket));
      server.once("error", reject);
      server.listen({ fd }, () => resolve(server));
    });
  const servers = await Promise.all(listeners.map(open));
  return {
    close() {
      for (const server of servers) server.close();
      http.closeAllConnections();
      http.close();
    },
  };
}
