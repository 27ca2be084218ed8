/** What a pod does in the datapath's tests, for machines without ping and netcat. Prints one line; exit 1 = no answer.
 *   ping DST · twice DST PORT · udp DST PORT TEXT · udp-serve PORT · raw SRC DST PROTOCOL HEX (IP payload; the kernel adds checksums of IP) */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import koffi from "koffi";
import { writeAddress } from "../../src/datapath/ebpf/address.ts";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
const sendto = libc.func(
  "int64_t sendto(int fd, const void *data, size_t size, int flags, const void *to, uint32_t length)",
);
const recv = libc.func("int64_t recv(int fd, void *data, size_t size, int flags)");

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const IPPROTO_RAW = 255;
const MSG_DONTWAIT = 0x40;
const IPPROTO_ICMPV6 = 58;
const ECHO = 8;
const ECHO_V6 = 128;
const ECHO_REPLY_V6 = 129;

/** struct sockaddr_in, or sockaddr_in6 of an address with colons. */
function socketAddress(address: string): Buffer {
  if (address.includes(":")) {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt16LE(AF_INET6, 0);
    writeAddress(bytes, 8, address);
    return bytes;
  }
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** Resolves to the answering packet's ICMP part, for our identifier or quoting it. */
async function awaitIcmp(fd: number, accept: (icmp: Buffer) => boolean): Promise<Buffer | undefined> {
  const until = Date.now() + 1000;
  const buffer = Buffer.alloc(2048);
  while (Date.now() < until) {
    const length = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT));
    if (length > 28 && accept(buffer.subarray(20, length))) return buffer.subarray(0, length);
    if (length <= 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return undefined;
}

/** The kernel fills in ICMPv6's checksum, and gives what follows the IPv6 header only. */
async function ping6(to: string): Promise<string | undefined> {
  const fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  const request = Buffer.alloc(16);
  request[0] = ECHO_V6;
  request.writeUInt16BE(process.pid & 0xffff, 4);
  if (Number(sendto(fd, request, request.length, 0, socketAddress(to), 28)) < 0) return undefined;
  const until = Date.now() + 1000;
  const buffer = Buffer.alloc(2048);
  while (Date.now() < until) {
    const length = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT));
    if (length >= 16 && buffer[0] === ECHO_REPLY_V6 && buffer.readUInt16BE(4) === (process.pid & 0xffff))
      return `pong ${to}`;
    if (length <= 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return undefined;
}

async function ping(to: string): Promise<string | undefined> {
  if (to.includes(":")) return ping6(to);
  const fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const request = Buffer.alloc(16);
  request[0] = ECHO;
  request.writeUInt16BE(process.pid & 0xffff, 4);
  request.writeUInt16BE(checksum(request), 2);
  sendto(fd, request, request.length, 0, socketAddress(to), 16);
  const answer = await awaitIcmp(fd, (icmp) => icmp[0] === 0 && icmp.readUInt16BE(4) === (process.pid & 0xffff));
  return answer && `pong ${answer.subarray(12, 16).join(".")}`;
}

function udp(to: string, port: number, text: string): Promise<string | undefined> {
  const client = createSocket(to.includes(":") ? "udp6" : "udp4");
  return new Promise((resolve) => {
    client.on("message", (message, peer) => resolve(`${message} ${peer.address}`));
    client.on("error", (error) => resolve(`error ${(error as NodeJS.ErrnoException).code}`));
    client.connect(port, to, () => client.send("x".repeat(Number(text) || 1)));
    setTimeout(() => resolve(undefined), 1000);
  });
}

const hasIpv6 = () => !readFileSync("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "utf8").startsWith("1");

/** Answers with the length of what came and with as many bytes more, so that both ways can be fragmented. */
function serveUdp(port: number): Promise<never> {
  const server = createSocket(hasIpv6() ? "udp6" : "udp4");
  server.on("message", (message, peer) => server.send(`${message.length}`, peer.port, peer.address));
  server.bind(port);
  console.log("ready");
  return new Promise(() => {});
}

function raw(from: string, to: string, protocol: number, hex: string): string {
  const payload = Buffer.from(hex, "hex");
  const header = Buffer.from("4500000000004000400000000000000000000000", "hex");
  header[9] = protocol;
  header.set(from.split(".").map(Number), 12);
  header.set(to.split(".").map(Number), 16);
  const fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  const one = Buffer.from([1, 0, 0, 0]);
  setsockopt(fd, 0, 3 /* IP_HDRINCL */, one, 4);
  return `sent ${sendto(fd, Buffer.concat([header, payload]), 20 + payload.length, 0, socketAddress(to), 16)}`;
}

/** Two HTTP requests on one connection, a second between them; tells of each answer. */
function askTwice(to: string, port: number): Promise<undefined> {
  let answers = 0;
  const request = "GET / HTTP/1.1\r\nhost: server\r\n\r\n";
  const socket = connectTcp(port, to, () => socket.write(request));
  socket.on("data", () => console.log(`answer ${++answers}`));
  setTimeout(() => socket.write(request), 1000);
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 1600));
}

const [mode, a = "", b = "", c = "", d = ""] = process.argv.slice(2);
const MODES: Record<string, () => Promise<string | undefined> | string> = {
  ping: () => ping(a),
  udp: () => udp(a, Number(b), c),
  twice: () => askTwice(a, Number(b)),
  "udp-serve": () => serveUdp(Number(a)),
  raw: () => raw(a, b, Number(c), d),
};
const result = await MODES[mode ?? ""]?.();
if (result) console.log(result);
process.exit(result ? 0 : 1);
