import type { IpcacheEntry } from "../datapath/port.ts";

/** Identities from here to `LAST` are this node's own; they stand for prefixes outside the cluster. */
const FIRST_LOCAL_IDENTITY = 16_777_217;
const LAST_LOCAL_IDENTITY = 33_554_431;

/** True for numbers that mean something on this node only. */
function isLocalIdentity(id: number): boolean {
  return id >= FIRST_LOCAL_IDENTITY && id <= LAST_LOCAL_IDENTITY;
}

/**
 * Numbers for the prefixes that policies name. A number rests as long as possible before it stands for another prefix,
 * and a restarted agent gives each prefix the number it has in the kernel: verdicts there go by number.
 */
export class CidrIdentities {
  private readonly numbers = new Map<string, number>();
  private readonly used = new Set<number>();
  private next = FIRST_LOCAL_IDENTITY;

  /** `inForce` is the kernel's ipcache. */
  constructor(inForce: ReadonlyMap<string, IpcacheEntry>) {
    for (const [prefix, entry] of inForce) {
      if (!isLocalIdentity(entry.identity) || this.used.has(entry.identity)) continue;
      this.numbers.set(prefix, entry.identity);
      this.used.add(entry.identity);
      this.next = Math.max(this.next, entry.identity + 1);
    }
  }

  /** The prefix's number; made when it has none. */
  numberOf(prefix: string): number {
    const known = this.numbers.get(prefix);
    if (known !== undefined) return known;
    const number = this.free();
    this.numbers.set(prefix, number);
    this.used.add(number);
    return number;
  }

  /** Gives up the numbers of all other prefixes and returns them. */
  keepOnly(prefixes: ReadonlySet<string>): readonly (readonly [string, number])[] {
    const dropped = [...this.numbers].filter(([prefix]) => !prefixes.has(prefix));
    for (const [prefix, number] of dropped) {
      this.numbers.delete(prefix);
      this.used.delete(number);
    }
    return dropped;
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
