import type { AddressInfo, Server, Socket } from "node:net";

/** The address of who asks: one of IPv4 that came through a socket of both families as IPv4. */
export function addressOf({ remoteAddress = "" }: Socket): string {
  return remoteAddress.replace(/^::ffff:/, "");
}

/** `address:port`, an address of IPv6 in brackets. */
export function peerOf(socket: Socket): string {
  const address = addressOf(socket);
  return `${address.includes(":") ? `[${address}]` : address}:${socket.remotePort}`;
}

/** Listens on every address of both families, or of IPv4 where there is no other. Resolves with the port. */
export function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const listening = () => resolve((server.address() as AddressInfo).port);
  server.once("listening", listening);
  server.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EAFNOSUPPORT" && error.code !== "EADDRNOTAVAIL") return reject(error);
    server.once("error", reject);
    server.listen(port, "0.0.0.0");
  });
  server.listen(port, "::");
  return promise;
}
