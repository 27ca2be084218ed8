import { randomInt } from "node:crypto";
import { withDnsId } from "../wire/dns-query.ts";

/** How long a server may take; clients have asked again or given up by then. */
const PATIENCE_MS = 10_000;
/** Most questions that wait for one server on one way to it. */
const MAX_OPEN = 4096;
const IDS = 65_536;
/** A power of two. */
const ROWS = 256;

/** Who waits for an answer: one of the two is called once, or neither when nobody answers in time. */
export interface DnsAsker {
  /** What came under the ID that the server was asked with; lent for the moment. False: it answers something else. */
  answered(bytes: Uint8Array, id: number): boolean;
  failed(reason: string): void;
}

interface Question {
  readonly id: number;
  readonly asker: DnsAsker;
  readonly askedMs: number;
  next: Question | undefined;
}

/**
 * The questions that wait for answers on one way to a server, each under an ID of its own: clients may share the way. In rows
 * by ID and in no Map: each table that a Map outgrows keeps what stood in it from being collected.
 */
export class DnsQuestions {
  private readonly rows = new Array<Question | undefined>(ROWS).fill(undefined);
  private readonly now: () => number;
  private waiting = 0;

  /** `now`: milliseconds of any clock that only goes forward. */
  constructor(now: () => number) {
    this.now = now;
  }

  get size(): number {
    return this.waiting;
  }

  /** The question under its new ID, lent for the moment; undefined when too many wait. */
  begin(query: Uint8Array, asker: DnsAsker): Uint8Array | undefined {
    if (this.waiting >= MAX_OPEN) return undefined;
    let id = randomInt(IDS);
    while (this.has(id)) id = (id + 1) % IDS;
    this.put({ id, asker, askedMs: this.now(), next: undefined }, undefined);
    return withDnsId(query, id);
  }

  private has(id: number): boolean {
    for (let one = this.rows[id % ROWS]; one !== undefined; one = one.next) if (one.id === id) return true;
    return false;
  }

  /** Takes what may be an answer; what answers nothing is thrown away. */
  answer(bytes: Uint8Array): void {
    if (bytes.length < 12) return;
    const id = (bytes[0]! << 8) | bytes[1]!;
    let before: Question | undefined;
    for (let one = this.rows[id % ROWS]; one !== undefined; before = one, one = one.next) {
      if (one.id !== id) continue;
      // taken out first: whoever has the answer may ask again at once
      this.take(one, before);
      if (!one.asker.answered(bytes, id)) this.put(one, before);
      return;
    }
  }

  /** Behind `before` in its row, or first. */
  private put(one: Question, before: Question | undefined): void {
    const row = one.id % ROWS;
    one.next = before === undefined ? this.rows[row] : before.next;
    if (before === undefined) this.rows[row] = one;
    else before.next = one;
    this.waiting++;
  }

  /** `before` it in its row. */
  private take(one: Question, before: Question | undefined): void {
    if (before === undefined) this.rows[one.id % ROWS] = one.next;
    else before.next = one.next;
    one.next = undefined;
    this.waiting--;
  }

  /** None of them will be answered. */
  fail(reason: string): void {
    const failed: Question[] = [];
    for (const row of this.rows) for (let one = row; one !== undefined; one = one.next) failed.push(one);
    this.rows.fill(undefined);
    this.waiting = 0;
    for (const { asker } of failed) asker.failed(reason);
  }

  /** Forgets those that nobody waits for any more. In its row the newest stands first: behind an old one all are old. */
  forgetOld(): void {
    const until = this.now() - PATIENCE_MS;
    for (const [row, first] of this.rows.entries()) {
      let before: Question | undefined;
      let one = first;
      for (; one !== undefined && one.askedMs > until; one = one.next) before = one;
      if (before === undefined) this.rows[row] = undefined;
      else before.next = undefined;
      for (; one !== undefined; one = one.next) this.waiting--;
    }
  }
}
