import type { Direction } from "../model/verdict.ts";
import type { DatagramPath, DatagramSockets } from "./datagrams.ts";
import type { DnsOutcome } from "./dns-exchange.ts";
import { DnsQuestions } from "./dns-questions.ts";
import { errorCode } from "./upstream-link.ts";

/** A way to a server that nobody used for this long is closed; in ms. */
const IDLE_MS = 10_000;
const SWEEP_MS = 1000;
/** Most ways of one redirect, and of all: each is a descriptor. */
const MAX_LINKS = 256;
const MAX_LINKS_IN_ALL = 4096;
let linksInAll = 0;

interface Link {
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

  constructor(sockets: DatagramSockets, direction: Direction) {
    this.sockets = sockets;
    this.direction = direction;
  }

  get size(): number {
    return this.links.size;
  }

  ask(path: DatagramPath, query: Uint8Array, done: (outcome: DnsOutcome) => void): void {
    const link = this.linkTo(path);
    if ("failed" in link) {
      done(link);
      return;
    }
    link.usedMs = performance.now();
    const renamed = link.questions.begin(query, done);
    if (renamed === undefined) done({ failed: "too many questions wait for this server" });
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
    linksInAll--;
    link.datagrams.close();
  }

  private linkTo(path: DatagramPath): Link | { readonly failed: string } {
    const key = `${path.clientAddress} ${path.serverAddress} ${path.serverPort}`;
    const known = this.links.get(key);
    if (known !== undefined) return known;
    if (this.isFull() && !this.closeIdle()) return { failed: "too many servers at once" };
    const questions = new DnsQuestions(() => performance.now());
    try {
      const datagrams = this.sockets.connect(path, this.direction, {
        message: (bytes) => questions.answer(bytes),
        failed: (reason) => questions.fail(`upstream: ${reason}`),
      });
      const link = { questions, datagrams, usedMs: performance.now() };
      this.links.set(key, link);
      linksInAll++;
      this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
      return link;
    } catch (error) {
      return { failed: `upstream: ${errorCode(error)}` };
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
