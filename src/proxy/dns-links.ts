import type { Direction } from "../model/verdict.ts";
import type { DatagramPath, DatagramSockets } from "./datagrams.ts";
import { type DnsAsker, DnsQuestions } from "./dns-questions.ts";
import { errorCode } from "./upstream-link.ts";

/** A way to a server that nobody used for this long is closed; in ms. */
const IDLE_MS = 10_000;
const SWEEP_MS = 1000;
/** Most ways of one redirect, and of all: each is a descriptor. */
const MAX_LINKS = 256;
const MAX_LINKS_IN_ALL = 4096;
let linksInAll = 0;

interface Link {
  readonly path: DatagramPath;
  readonly questions: DnsQuestions;
  readonly datagrams: ReturnType<DatagramSockets["connect"]>;
  usedMs: number;
}

/** The UDP ways to DNS servers, one for each client address and server: its questions share a socket. */
export class DnsLinks {
  private readonly sockets: DatagramSockets;
  private readonly direction: Direction;
  private readonly links = new Map<string, Link>();
  private timer: NodeJS.Timeout | undefined;
  /** The way that was asked for last: one client asks one server most of the time. */
  private latest: Link | undefined;

  constructor(sockets: DatagramSockets, direction: Direction) {
    this.sockets = sockets;
    this.direction = direction;
  }

  get size(): number {
    return this.links.size;
  }

  ask(path: DatagramPath, query: Uint8Array, asker: DnsAsker): void {
    const link = this.linkTo(path);
    if (typeof link === "string") {
      asker.failed(link);
      return;
    }
    link.usedMs = performance.now();
    const renamed = link.questions.begin(query, asker);
    if (renamed === undefined) asker.failed("too many questions wait for this server");
    else link.datagrams.send(renamed); // what cannot be sent is lost as on any way; the client asks again
  }

  close(): void {
    clearInterval(this.timer);
    for (const key of [...this.links.keys()]) this.drop(key);
  }

  private isFull(): boolean {
    return this.links.size >= MAX_LINKS || linksInAll >= MAX_LINKS_IN_ALL;
  }

  /** The oldest way on which nobody waits for an answer gives its place up. */
  private closeIdle(): boolean {
    for (const [key, { questions }] of this.links) {
      if (questions.size > 0) continue;
      this.drop(key);
      return true;
    }
    return false;
  }

  private drop(key: string): void {
    const link = this.links.get(key);
    if (link === undefined) return;
    this.links.delete(key);
    this.latest = undefined;
    linksInAll--;
    link.datagrams.close();
  }

  /** Why there is none, as text. */
  private linkTo(path: DatagramPath): Link | string {
    const { latest } = this;
    if (latest !== undefined && isSameWay(latest.path, path)) return latest;
    const key = `${path.clientAddress} ${path.serverAddress} ${path.serverPort}`;
    const link = this.links.get(key) ?? this.open(key, path);
    if (typeof link !== "string") this.latest = link;
    return link;
  }

  private open(key: string, path: DatagramPath): Link | string {
    if (this.isFull() && !this.closeIdle()) return "too many servers at once";
    const questions = new DnsQuestions(() => performance.now());
    try {
      const datagrams = this.sockets.connect(path, this.direction, {
        message: (bytes) => questions.answer(bytes),
        failed: (reason) => questions.fail(`upstream: ${reason}`),
      });
      const { clientAddress, clientPort, serverAddress, serverPort } = path;
      const way = { clientAddress, clientPort, serverAddress, serverPort };
      const link = { path: way, questions, datagrams, usedMs: performance.now() };
      this.links.set(key, link);
      linksInAll++;
      this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
      return link;
    } catch (error) {
      return `upstream: ${errorCode(error)}`;
    }
  }

  private sweep(): void {
    const until = performance.now() - IDLE_MS;
    for (const [key, { questions, usedMs }] of this.links) {
      questions.forgetOld();
      if (questions.size === 0 && usedMs <= until) this.drop(key);
    }
    if (this.links.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/** From the same client, whatever its port, to the same server. */
function isSameWay(one: DatagramPath, other: DatagramPath): boolean {
  return (
    one.clientAddress === other.clientAddress &&
    one.serverAddress === other.serverAddress &&
    one.serverPort === other.serverPort
  );
}
