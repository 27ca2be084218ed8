/** The two questions of a probe: an ICMP echo, and `GET /hello` of the responder. */
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { isIPv4 } from "node:net";
import { addressPort } from "../model/cidr.ts";
import { kernelReason } from "../model/system-error.ts";
import { openPingSocket } from "../runtime/netns-socket.ts";

/** Where health is answered, on nodes and in health endpoints. */
export const HEALTH_PORT = 4240;

const ICMP_DEADLINE_MS = 10_000;
/** When requests are sent while nothing answers; the last one late enough for a node that has just learned of this one. */
const ICMP_REQUESTS_MS = [0, 100, 1000];
const HTTP_DEADLINE_MS = 10_000;

/** Echo request of each family, eight octets of header and as many of data (RFC 792, RFC 4443 4.1). */
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const ECHO_REPLY = { 4: 0, 6: 129 } as const;
const ECHO_BYTES = 16;

const elapsedNs = (since: bigint) => Number(process.hrtime.bigint() - since);

/** Lets processes of root's group ping without raw sockets, in this network namespace. */
export function allowPing(): void {
  writeFileSync("/proc/sys/net/ipv4/ping_group_range", "0 0");
}

/** Up to three echo requests; the first answer counts, within 10 s. */
export function ping(address: string): Promise<number> {
  const family = isIPv4(address) ? 4 : 6;
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    const sent: bigint[] = [];
    const end = (settle: () => void) => {
      for (const timer of timers) clearTimeout(timer);
      socket.removeAllListeners().on("error", () => undefined);
      socket.close();
      settle();
    };
    const fail = (error: Error) => end(() => reject(error));
    const send = () => {
      const request = Buffer.alloc(ECHO_BYTES);
      request.writeUInt8(ECHO_REQUEST[family], 0);
      request.writeUInt16BE(sent.length, 6);
      sent.push(process.hrtime.bigint());
      // the port means nothing to ICMP; an error is the lack of a way to the address, which later requests may find
      socket.send(request, 1, address, () => undefined);
    };
    const late = setTimeout(() => fail(new Error("Connection timed out")), ICMP_DEADLINE_MS);
    const timers = [late, ...ICMP_REQUESTS_MS.slice(1).map((ms) => setTimeout(send, ms))];
    socket.on("error", fail);
    socket.on("message", (answer) => {
      const since = answer.length >= 8 && answer[0] === ECHO_REPLY[family] ? sent[answer.readUInt16BE(6)] : undefined;
      if (since !== undefined) end(() => resolve(elapsedNs(since)));
    });
    try {
      socket.bind({ fd: openPingSocket(family) });
    } catch (error) {
      fail(error as Error);
      return;
    }
    send();
  });
}

/** In Go's words, which people know from Cilium. */
function reasonOf(error: NodeJS.ErrnoException, url: string, where: string): string {
  const cause = kernelReason(error);
  return cause === undefined ? `Get "${url}": ${error.message}` : `Get "${url}": dial tcp ${where}: connect: ${cause}`;
}

/** `GET /hello` at the responder's port; 200 within 10 s counts. */
export function greet(address: string, port = HEALTH_PORT): Promise<number> {
  const where = addressPort(address, port);
  const url = `http://${where}/hello`;
  return new Promise((resolve, reject) => {
    const since = process.hrtime.bigint();
    const sent = get({ host: address, port, path: "/hello", agent: false }, (answer) => {
      clearTimeout(deadline);
      answer.resume();
      if (answer.statusCode === 200) resolve(elapsedNs(since));
      else
        reject(
          new Error(`unexpected status code: ${answer.statusCode} ${answer.statusCode} ${answer.statusMessage ?? ""}`),
        );
    });
    const late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    const deadline = setTimeout(() => sent.destroy(new Error(late)), HTTP_DEADLINE_MS);
    deadline.unref();
    sent.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(deadline);
      reject(new Error(reasonOf(error, url, where)));
    });
  });
}
