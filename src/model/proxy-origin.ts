import type { Direction } from "./verdict.ts";

/** What the kernel judged about a redirected connection; asked by the proxy when it accepts. */
export interface ProxyOrigin {
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly endpoint: number;
  readonly direction: Direction;
}

/** Client and server as the redirected packet named them: text of addresses and host-order ports; TCP unless `protocol` says else. */
export interface ProxyOrigins {
  lookup(
    client: string,
    clientPort: number,
    server: string,
    serverPort: number,
    protocol?: number,
  ): ProxyOrigin | undefined;
  /** The same of one TCP connection, for who asks again and again: what it returns asks anew at each call. */
  follow(client: string, clientPort: number, server: string, serverPort: number): () => ProxyOrigin | undefined;
}
