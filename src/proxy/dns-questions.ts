import { randomInt } from "node:crypto";
import { withDnsId } from "../wire/dns-query.ts";
import type { DnsOutcome } from "./dns-exchange.ts";

/** How long a server may take; clients have asked again or given up by then. */
const PATIENCE_MS = 10_000;
/** Most questions that wait for one server on one way to it. */
const MAX_OPEN = 4096;
const IDS = 65_536;

/** The questions that wait for answers on one way to a server, each under an ID of its own: clients may share the way. */
export class DnsQuestions {
  private readonly open = new Map<number, { readonly done: (outcome: DnsOutcome) => void; readonly askedMs: number }>();
  private readonly now: () => number;

  /** `now`: milliseconds of any clock that only goes forward. */
  constructor(now: () => number) {
    this.now = now;
  }

  get size(): number {
    return this.open.size;
  }

  /** The question under its new ID, lent for the moment; undefined when too many wait. */
  begin(query: Uint8Array, done: (outcome: DnsOutcome) => void): Uint8Array | undefined {
    if (this.open.size >= MAX_OPEN) return undefined;
    let id = randomInt(IDS);
    while (this.open.has(id)) id = (id + 1) % IDS;
    this.open.set(id, { done, askedMs: this.now() });
    return withDnsId(query, id);
  }

  /** Takes what may be an answer; what answers nothing is thrown away. */
  answer(bytes: Uint8Array): void {
    if (bytes.length < 12) return;
    const id = (bytes[0]! << 8) | bytes[1]!;
    const question = this.open.get(id);
    if (question === undefined) return;
    this.open.delete(id);
    question.done({ bytes, id });
  }

  /** None of them will be answered. */
  fail(reason: string): void {
    const failed = [...this.open.values()];
    this.open.clear();
    for (const { done } of failed) done({ failed: reason });
  }

  /** Forgets those that nobody waits for any more, the oldest first. */
  forgetOld(): void {
    const until = this.now() - PATIENCE_MS;
    for (const [id, { askedMs }] of this.open) {
      if (askedMs > until) return;
      this.open.delete(id);
    }
  }
}
