import { createSocket } from "node:dgram";
import { closeSync } from "node:fs";
import { isIPv6 } from "node:net";
import { SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import { udpPacket } from "../wire/udp-packet.ts";
import { type Datagram, DatagramReader } from "./datagram-reader.ts";
import type { Listening } from "./listeners.ts";
import {
  addressBytes,
  bindTo,
  connectTo,
  libc,
  openSocket,
  SocketType,
  setOption,
  transparent,
  wildcards,
} from "./socket-calls.ts";

const IPPROTO_RAW = 255;
const MESSAGE_DONTWAIT = 0x40;
const RECEIVE_BUFFER = { level: 1, name: 8 };
const RECEIVE_BYTES = 1 << 20;

const sendto = libc.func(
  "int64_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)",
);
const send = libc.func("int64_t send(int fd, const uint8_t *data, size_t length, int flags)");

/** A client and the server that it speaks to. */
export type DatagramPath = Pick<Datagram, "clientAddress" | "clientPort" | "serverAddress" | "serverPort">;

/** The proxy's own way to a server, in a client's name. */
export interface DatagramLink {
  /** False when the bytes could not be sent. */
  send(bytes: Uint8Array): boolean;
  close(): void;
}

/** Where redirected datagrams come from, and go to. */
export interface DatagramSockets {
  /** Takes datagrams that are redirected to `port`, in all families. Throws with the errno's name as `code`. */
  listen(port: number, direction: Direction, take: (datagram: Datagram) => void): Listening;
  /** Sends a server's bytes to its client. False when they do not fit one packet. */
  answer(path: DatagramPath, direction: Direction, bytes: Uint8Array): boolean;
  /** Speaks to the server from the client's address, with a port of its own. `failed` = the server refuses. */
  connect(
    path: DatagramPath,
    direction: Direction,
    hear: { readonly message: (bytes: Uint8Array) => void; readonly failed: (reason: string) => void },
  ): DatagramLink;
}

/** Transparent, marked UDP sockets. Needs CAP_NET_ADMIN and CAP_NET_RAW in the node's network namespace. */
export function transparentDatagrams(): DatagramSockets {
  const reader = new DatagramReader();
  const raw = new Map<string, number>();
  const rawSocket = (host: string, direction: Direction): number => {
    const key = `${isIPv6(host) ? 6 : 4} ${direction}`;
    const known = raw.get(key);
    if (known !== undefined) return known;
    const kind = { type: SocketType.Raw, protocol: IPPROTO_RAW, host, direction, subject: "for answers" };
    const fd = openSocket(kind, () => undefined);
    raw.set(key, fd);
    return fd;
  };
  return {
    listen: (port, direction, take) => listenInAllFamilies(reader, port, direction, take),
    answer: ({ clientAddress, clientPort, serverAddress, serverPort }, direction, bytes) => {
      const packet = udpPacket(
        {
          sourceAddress: serverAddress,
          sourcePort: serverPort,
          destinationAddress: clientAddress,
          destinationPort: clientPort,
        },
        bytes,
      );
      const address = addressBytes(clientAddress, 0);
      const fd = rawSocket(clientAddress, direction);
      return sendto(fd, packet, packet.length, MESSAGE_DONTWAIT, address, address.length) === packet.length;
    },
    connect: connectFromClient,
  };
}

function listenInAllFamilies(
  reader: DatagramReader,
  port: number,
  direction: Direction,
  take: (datagram: Datagram) => void,
): Listening {
  const open: number[] = [];
  const close = () => {
    for (const fd of open.splice(0)) {
      reader.remove(fd);
      closeSync(fd);
    }
  };
  try {
    for (const host of wildcards()) {
      const fd = openListener(host, port, direction);
      open.push(fd);
      reader.add(fd, take);
    }
    return { close };
  } catch (error) {
    close();
    throw error;
  }
}

function openListener(host: string, port: number, direction: Direction): number {
  const subject = `${host} UDP port ${port}`;
  return openSocket({ type: SocketType.Datagram, host, direction, subject }, (fd) => {
    const { OriginalDestination, OriginalDestination6, Only6 } = SocketOption;
    if (isIPv6(host)) setOption(fd, Only6, 1, subject);
    setOption(fd, transparent(host), 1, subject);
    setOption(fd, isIPv6(host) ? OriginalDestination6 : OriginalDestination, 1, subject);
    setOption(fd, RECEIVE_BUFFER, RECEIVE_BYTES, subject);
    bindTo(fd, host, port, subject);
  });
}

const connectFromClient: DatagramSockets["connect"] = (path, direction, hear) => {
  const { clientAddress, serverAddress, serverPort } = path;
  const subject = `${serverAddress} UDP port ${serverPort} from ${clientAddress}`;
  const fd = openSocket({ type: SocketType.Datagram, host: serverAddress, direction, subject }, (opened) => {
    setOption(opened, transparent(serverAddress), 1, subject);
    bindTo(opened, clientAddress, 0, subject);
    connectTo(opened, serverAddress, serverPort, subject);
  });
  // The kernel lets only the connected server's datagrams in, so that node need not look who sent them.
  const socket = createSocket(isIPv6(serverAddress) ? "udp6" : "udp4");
  socket.on("message", (bytes) => hear.message(bytes));
  socket.on("error", (error) => hear.failed((error as NodeJS.ErrnoException).code ?? error.message));
  socket.bind({ fd });
  return {
    send: (bytes) => send(fd, bytes, bytes.length, MESSAGE_DONTWAIT) === bytes.length,
    close: () => socket.close(),
  };
};
