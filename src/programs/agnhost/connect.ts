import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";

export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface ConnectOptions {
  readonly protocol: Protocol;
  readonly timeoutMs: number;
  /** What is sent by UDP; an answer counts as connected. */
  readonly udpData: string;
}

/** Why there is no connection, in one of agnhost's words: `TIMEOUT`, `REFUSED`, `DNS: …`, `OTHER: …`; undefined = there is one. */
export type Failure = string | undefined;

function wordFor(error: NodeJS.ErrnoException): string {
  if (error.code === "ECONNREFUSED") return "REFUSED";
  if (error.code === "ETIMEDOUT") return "TIMEOUT";
  return `OTHER: ${error.message}`;
}

/** `host:port`, `[address]:port`; undefined when it is neither. */
export function splitEndpoint(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match === null || port > 65535 ? undefined : { host: match[1] ?? match[2]!, port };
}

function tryTcp(address: string, port: number, timeoutMs: number): Promise<Failure> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: address, port, timeout: timeoutMs });
    const end = (failure: Failure) => {
      socket.destroy();
      resolve(failure);
    };
    socket.once("connect", () => end(undefined));
    socket.once("timeout", () => end("TIMEOUT"));
    socket.once("error", (error) => end(wordFor(error)));
  });
}

function tryUdp(address: string, port: number, { udpData, timeoutMs }: ConnectOptions): Promise<Failure> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    const end = (failure: Failure) => {
      clearTimeout(timer);
      socket.close();
      resolve(failure);
    };
    const timer = setTimeout(() => end("TIMEOUT"), timeoutMs);
    socket.once("message", () => end(undefined));
    socket.once("error", (error) => end(wordFor(error)));
    socket.connect(port, address, () => socket.send(udpData));
  });
}

/** One try to connect. What it says of a failure is what agnhost writes. */
export async function tryConnection(endpoint: string, options: ConnectOptions): Promise<Failure> {
  const target = splitEndpoint(endpoint);
  if (target === undefined) return `DNS: ${endpoint} is no host and port`;
  if (options.protocol === "sctp") return "OTHER: SCTP sockets are not there: pods of this lab have TCP and UDP";
  let address = target.host;
  if (isIP(address) === 0) {
    try {
      ({ address } = await lookup(address));
    } catch (error) {
      return `DNS: ${(error as Error).message}`;
    }
  }
  return options.protocol === "udp"
    ? tryUdp(address, target.port, options)
    : tryTcp(address, target.port, options.timeoutMs);
}
