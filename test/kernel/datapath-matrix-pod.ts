/** A pod of the connectivity matrix: serves TCP and UDP ports on both families, and asks others when it is told to. Takes lines of
 * JSON `{id, cells: [{protocol, address, port}]}` and answers `{id, open: boolean[]}`; ends with its input. */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import koffi from "koffi";
import { writeAddress } from "../../src/datapath/ebpf/address.ts";

export interface Cell {
  readonly protocol: "TCP" | "UDP" | "ICMP";
  readonly address: string;
  readonly port: number;
}

/** How long an answer may take. */
const PATIENCE_MS = Number(process.argv[2] ?? 400);
const PORTS = process.argv.slice(3).map(Number);

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const close = libc.func("int close(int fd)");
const sendto = libc.func(
  "int64_t sendto(int fd, const void *data, size_t size, int flags, const void *to, uint32_t length)",
);
const recv = libc.func("int64_t recv(int fd, void *data, size_t size, int flags)");
const [AF_INET, AF_INET6, SOCK_DGRAM, MSG_DONTWAIT] = [2, 10, 2, 0x40];

function serve(): void {
  for (const port of PORTS) {
    createServer((client) => client.on("error", () => undefined).end("hello\n")).listen(port, "::");
    const server = createSocket("udp6");
    server.on("message", (message, peer) => server.send(message, peer.port, peer.address));
    server.bind(port, "::");
  }
}

/** True when `start` calls back in time; what it made is ended. */
function inTime(start: (done: (isOpen: boolean) => void) => () => void): Promise<boolean> {
  return new Promise((resolve) => {
    const end = start((isOpen) => finish(isOpen));
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    const finish = (isOpen: boolean) => {
      clearTimeout(timer);
      end();
      resolve(isOpen);
    };
  });
}

const askTcp = ({ address, port }: Cell) =>
  inTime((done) => {
    const client = connect(port, address);
    client.on("data", () => done(true));
    client.on("error", () => undefined);
    return () => client.destroy();
  });

const askUdp = ({ address, port }: Cell) =>
  inTime((done) => {
    const client = createSocket(address.includes(":") ? "udp6" : "udp4");
    client.on("message", () => done(true));
    client.on("error", () => undefined);
    client.send("hello", port, address);
    return () => client.close();
  });

/** An echo by a ping socket: the kernel fills in identifier and checksum, and gives answers to it alone. */
const ping = ({ address }: Cell) =>
  inTime((done) => {
    const isIpv6 = address.includes(":");
    const fd: number = socket(isIpv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, isIpv6 ? 58 : 1);
    const to = Buffer.alloc(isIpv6 ? 28 : 16);
    to.writeUInt16LE(isIpv6 ? AF_INET6! : AF_INET!, 0);
    const bytes = Buffer.alloc(16);
    writeAddress(bytes, 0, address);
    to.set(isIpv6 ? bytes : bytes.subarray(12), isIpv6 ? 8 : 4);
    const request = Buffer.alloc(16);
    request[0] = isIpv6 ? 128 : 8;
    sendto(fd, request, request.length, 0, to, to.length);
    const buffer = Buffer.alloc(256);
    const timer = setInterval(() => {
      if (Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT)) > 0) done(true);
    }, 5);
    return () => {
      clearInterval(timer);
      close(fd);
    };
  });

const ASK: Readonly<Record<Cell["protocol"], (cell: Cell) => Promise<boolean>>> = {
  TCP: askTcp,
  UDP: askUdp,
  ICMP: ping,
};

serve();
createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, cells } = JSON.parse(line) as { readonly id: number; readonly cells: readonly Cell[] };
    const open = await Promise.all(cells.map((cell) => ASK[cell.protocol](cell)));
    process.stdout.write(`${JSON.stringify({ id, open })}\n`);
  })
  .on("close", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ id: -1, open: [] })}\n`);
