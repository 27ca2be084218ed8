import type { Direction } from "./verdict.ts";

/** What the kernel judged about a redirected connection; asked by the proxy when it accepts. */
export interface ProxyOrigin {
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly endpoint: number;
  readonly direction: Direction;
}

/** Client and server as the redirected SYN named them: dotted IPv4 text and host-order ports. */
export interface ProxyOrigins {
  lookup(client: string, clientPort: number, server: string, serverPort: number): ProxyOrigin | undefined;
}
