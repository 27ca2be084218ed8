import type { HeaderSection } from "./hpack-decoder.ts";

const SLOTS = 8;

interface Known<Circumstance, Meaning> {
  readonly head: HeaderSection;
  readonly circumstance: Circumstance;
  readonly meaning: Meaning;
}

/**
 * Remembers what the latest header sections of a connection meant. A decoder gives the same object for bytes that say the
 * same, and nobody changes it, so that the object itself is the key.
 */
export class SectionMemo<Circumstance, Meaning> {
  private readonly read: (head: HeaderSection, circumstance: Circumstance) => Meaning;
  private readonly known: Known<Circumstance, Meaning>[] = [];
  private next = 0;

  /** `read` must depend on what it is given alone, and nobody may change what it returns. */
  constructor(read: (head: HeaderSection, circumstance: Circumstance) => Meaning) {
    this.read = read;
  }

  meaningOf(head: HeaderSection, circumstance: Circumstance): Meaning {
    for (const one of this.known) if (one.head === head && one.circumstance === circumstance) return one.meaning;
    const meaning = this.read(head, circumstance);
    if (head.isKept) {
      this.known[this.next] = { head, circumstance, meaning };
      this.next = (this.next + 1) % SLOTS;
    }
    return meaning;
  }
}
