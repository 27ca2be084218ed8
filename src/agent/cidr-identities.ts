import type { IpcacheEntry } from "../datapath/port.ts";
import { formatLabels, type Labels } from "../model/label.ts";

/** Identities from here to `LAST` are this node's own; they stand for what is outside the cluster. */
const FIRST_LOCAL_IDENTITY = 16_777_217;
const LAST_LOCAL_IDENTITY = 33_554_431;

/** True for numbers that mean something on this node only. */
function isLocalIdentity(id: number): boolean {
  return id >= FIRST_LOCAL_IDENTITY && id <= LAST_LOCAL_IDENTITY;
}

/** One set of labels, and who has it. */
interface Numbered {
  readonly text: string;
  readonly number: number;
  readonly owners: Set<string>;
}

/**
 * Numbers for sets of labels outside the cluster; prefixes with the same labels share one. An owner is a prefix, or what
 * else needs the identity. A number never comes to mean other labels while it is used, and rests as long as possible before it does.
 */
export class CidrIdentities {
  private readonly byText = new Map<string, Numbered>();
  private readonly byOwner = new Map<string, Numbered>();
  private readonly used = new Set<number>();
  private inForce = new Map<string, number>();
  private freed: number[] = [];
  private next = FIRST_LOCAL_IDENTITY;

  /** `inForce` is the kernel's ipcache. */
  constructor(inForce: ReadonlyMap<string, IpcacheEntry>) {
    for (const [prefix, { identity }] of inForce) {
      if (!isLocalIdentity(identity)) continue;
      this.inForce.set(prefix, identity);
      this.used.add(identity);
      this.next = Math.max(this.next, identity + 1);
    }
  }

  /**
   * Takes up the numbers of the kernel, as far as they can go on: verdicts there go by number. One whose prefixes are to
   * have different labels cannot, or some of them would be judged as others for a moment. Only the first call does something.
   */
  adopt(wanted: ReadonlyMap<string, Labels>): void {
    const meanings = new Map<number, Set<string>>();
    for (const [prefix, number] of this.inForce) {
      const labels = wanted.get(prefix);
      const texts = meanings.get(number) ?? new Set();
      meanings.set(number, texts);
      if (labels !== undefined) texts.add(textOf(labels));
    }
    this.inForce = new Map();
    for (const [number, texts] of meanings) {
      const [text] = texts;
      if (text === undefined) this.used.delete(number);
      else if (texts.size === 1 && !this.byText.has(text)) this.byText.set(text, { text, number, owners: new Set() });
    }
  }

  /** The number of these labels, which the owner has now and no others; made when they have none. */
  numberOf(owner: string, labels: Labels): number {
    const text = textOf(labels);
    const had = this.byOwner.get(owner);
    if (had?.text === text) return had.number;
    const has = this.byText.get(text) ?? { text, number: this.free(), owners: new Set() };
    this.used.add(has.number);
    this.byText.set(text, has);
    has.owners.add(owner);
    this.release(owner);
    this.byOwner.set(owner, has);
    return has.number;
  }

  /** The owner needs no number any more. */
  release(owner: string): void {
    const had = this.byOwner.get(owner);
    if (had === undefined) return;
    this.byOwner.delete(owner);
    had.owners.delete(owner);
    if (had.owners.size > 0) return;
    this.byText.delete(had.text);
    this.used.delete(had.number);
    this.freed.push(had.number);
  }

  owners(): readonly string[] {
    return [...this.byOwner.keys()];
  }

  /** The numbers that have had no owner since the last call. */
  takeFreed(): readonly number[] {
    const taken = this.freed;
    this.freed = [];
    return taken;
  }

  private free(): number {
    for (let step = 0; step <= LAST_LOCAL_IDENTITY - FIRST_LOCAL_IDENTITY; step++) {
      const number = this.next;
      this.next = number === LAST_LOCAL_IDENTITY ? FIRST_LOCAL_IDENTITY : number + 1;
      if (!this.used.has(number)) return number;
    }
    throw new Error("all node-local identities are used");
  }
}

function textOf(labels: Labels): string {
  return formatLabels(labels).join("\n");
}
