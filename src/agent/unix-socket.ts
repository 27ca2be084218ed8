import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";

/** Lets the server listen on a unix socket, in place of a predecessor's socket file. Rejects with the error of `listen`. */
export async function listenOn(path: string, server: Server): Promise<void> {
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

/** Hands every connection of a unix socket to `accept`; a broken one is ended, and `close` ends all. */
export async function serveConnections(path: string, accept: (socket: Socket) => void): Promise<{ close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    accept(socket);
  });
  await listenOn(path, server);
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
