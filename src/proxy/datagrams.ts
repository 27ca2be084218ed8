import { SocketOption } from "../model/proxy-mark.ts";
import type { Direction } from "../model/verdict.ts";
import { udpPacket } from "../wire/udp-packet.ts";
import { DatagramLink } from "./datagram-link.ts";
import { type Datagram, DatagramListener } from "./datagram-listener.ts";
import { outbox } from "./datagram-outbox.ts";
import type { Listening } from "./listeners.ts";
import {
  addressBytes,
  bindTo,
  connectTo,
  isV6,
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
const MOST_PEERS = 1024;

const sendto = libc.func(
  "int64_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)",
);

/** A client and the server that it speaks to. */
export type DatagramPath = Pick<Datagram, "clientAddress" | "clientPort" | "serverAddress" | "serverPort">;

/** Where redirected datagrams come from, and go to. Bytes are lent for the moment, both ways. */
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
  ): Pick<DatagramLink, "send" | "close">;
}

/** Addresses as packets and calls have them, made once: the same few come with every datagram. */
class Peers {
  private readonly known = new Map<string, { readonly bytes: Uint8Array; readonly name: Uint8Array }>();

  at(address: string) {
    const known = this.known.get(address);
    if (known !== undefined) return known;
    if (this.known.size >= MOST_PEERS) this.known.clear();
    const name = addressBytes(address, 0);
    const peer = { bytes: isV6(address) ? name.subarray(8, 24) : name.subarray(4, 8), name };
    this.known.set(address, peer);
    return peer;
  }
}

/** Transparent, marked UDP sockets. Needs CAP_NET_ADMIN and CAP_NET_RAW in the node's network namespace. */
export function transparentDatagrams(): DatagramSockets {
  const raw = { ingress: new Map<boolean, number>(), egress: new Map<boolean, number>() };
  const peers = new Peers();
  const rawSocket = (host: string, direction: Direction): number => {
    const known = raw[direction].get(isV6(host));
    if (known !== undefined) return known;
    const kind = { type: SocketType.Raw, protocol: IPPROTO_RAW, host, direction, subject: "for answers" };
    const fd = openSocket(kind, () => undefined);
    raw[direction].set(isV6(host), fd);
    return fd;
  };
  return {
    listen: (port, direction, take) => {
      // Opened before they are needed: no answer may fail for want of descriptors.
      for (const host of wildcards()) rawSocket(host, direction);
      return listenInAllFamilies(port, direction, take);
    },
    answer: ({ clientAddress, clientPort, serverAddress, serverPort }, direction, bytes) => {
      const client = peers.at(clientAddress);
      const path = { source: peers.at(serverAddress).bytes, destination: client.bytes };
      const packet = udpPacket({ ...path, sourcePort: serverPort, destinationPort: clientPort }, bytes);
      if (packet === undefined) return false;
      const fd = rawSocket(clientAddress, direction);
      if (outbox.put(fd, client.name, packet)) return true;
      return sendto(fd, packet, packet.length, MESSAGE_DONTWAIT, client.name, client.name.length) === packet.length;
    },
    connect: connectFromClient,
  };
}

function listenInAllFamilies(port: number, direction: Direction, take: (datagram: Datagram) => void): Listening {
  const listeners: DatagramListener[] = [];
  const close = () => {
    for (const listener of listeners.splice(0)) listener.close();
  };
  try {
    for (const host of wildcards()) listeners.push(new DatagramListener(openListener(host, port, direction), take));
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
    if (isV6(host)) setOption(fd, Only6, 1, subject);
    setOption(fd, transparent(host), 1, subject);
    setOption(fd, isV6(host) ? OriginalDestination6 : OriginalDestination, 1, subject);
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
  return new DatagramLink(fd, hear);
};
