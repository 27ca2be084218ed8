/**
 * The cases of corpus-dns.yaml. A message is written in words: `ID`, numbers of 16 bits (four hex digits) or 8 (two), `'a.b'` for a
 * name (`\.` a dot, `\0` a NUL in a label), `A`, `IN` … for types and classes, `@c` for a pointer to byte 12, `+` before more than one record.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export interface DnsCase {
  readonly name: string;
  readonly why: string;
  /** What the client asks; absent = for an address of a name that it may ask for. */
  readonly ask?: string;
  /** What the server answers; absent = one address. */
  readonly answers?: readonly string[];
  /** Codes of the answers that the client gets; absent = none. */
  readonly gets?: readonly number[];
  /** The server is asked. */
  readonly passes?: boolean;
  /** Addresses that are learned for the name, by which policy may let connections through. */
  readonly learns?: readonly string[];
  /** What Cilium's DNS proxy does where that is something else, and why. */
  readonly cilium?: Pick<DnsCase, "gets" | "passes" | "learns"> & { readonly because: string };
}

const WORDS: Readonly<Record<string, number>> = {
  ...{ A: 1, NS: 2, CNAME: 5, TXT: 16, AAAA: 28, OPT: 41, AXFR: 252, IXFR: 251, ANY: 255 },
  ...{ IN: 1, CH: 3 },
};
export const ID = 0x1234;
export const RULES = [{ matchPattern: "*.starwars.com" }, { matchName: "deathstar.org" }];
export const QUESTION = "ID 0120 0001 0000 0000 0000 'www.starwars.com' A IN";
export const ANSWER = "ID 8180 0001 0001 0000 0000 'www.starwars.com' A IN @c A IN 0000 001e 0004 c0 00 02 01";

export function dnsCorpus(): readonly DnsCase[] {
  return parse(readFileSync(join(import.meta.dirname, "corpus-dns.yaml"), "utf8")) as readonly DnsCase[];
}

export function messageOf(text: string, id: number): Uint8Array {
  return Uint8Array.from(text.match(/'[^']*'|\S+/g)!.flatMap((word) => bytesOf(word, id)));
}

function bytesOf(word: string, id: number): number[] {
  if (word === "ID") return [id >> 8, id & 255];
  if (word.startsWith("@")) return [0xc0, Number.parseInt(word.slice(1), 16)];
  if (word.startsWith("'")) return nameBytes(word.slice(1, -1));
  const known = WORDS[word];
  if (known !== undefined) return [known >> 8, known & 255];
  if (!/^(?:[0-9a-f]{2})+$/.test(word)) throw new Error(`no word of a message: ${word}`);
  return [...Buffer.from(word, "hex")];
}

function nameBytes(text: string): number[] {
  const labels = text === "" ? [] : text.split(/(?<!\\)\./).map((one) => one.replace("\\.", ".").replace("\\0", "\0"));
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]), 0];
}
