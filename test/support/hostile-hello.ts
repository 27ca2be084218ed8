/** Client hellos that are not quite right. */
import { helloFor, inRecords, nodeHello, opensslHello, record } from "./client-hello.ts";
import type { Random } from "./policy-scenarios-random.ts";

/** Hellos of real clients for each name, for two names at once, and for a name put over another. */
export async function someHellos(one: string, two: string): Promise<readonly Buffer[]> {
  const real = await Promise.all(
    [one, two].flatMap((servername) => [
      nodeHello({ servername, ALPNProtocols: ["h2"] }),
      nodeHello({ servername, maxVersion: "TLSv1.2" }),
      opensslHello("-servername", servername),
    ]),
  );
  const swapped = real.map((bytes) => Buffer.from(bytes.toString("latin1").replace(one, two), "latin1"));
  return [...real, ...swapped, helloFor(one, two), helloFor(one)];
}

const byte = (random: Random) => random.below(256);

type Mutation = (bytes: Buffer, at: number, random: Random, hellos: readonly Buffer[]) => Buffer;
const MUTATIONS: readonly Mutation[] = [
  (bytes, at, random) => {
    bytes[at] = byte(random);
    return bytes;
  },
  (bytes, at) => {
    bytes[at]! ^= 1 << (at & 7);
    return bytes;
  },
  // A length one more or less.
  (bytes, at, random) => {
    bytes[at] = (bytes[at]! + (random.percent(50) ? 1 : 255)) & 255;
    return bytes;
  },
  (bytes, at, random) => Buffer.concat([bytes.subarray(0, at), Buffer.from([byte(random)]), bytes.subarray(at)]),
  (bytes, at, random) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(9))]),
  (bytes, at) => bytes.subarray(0, at),
  // A piece of itself again, or of another hello.
  (bytes, at, random, hellos) => {
    const other = random.percent(50) ? bytes : random.pick(hellos);
    const from = random.below(other.length);
    const piece = other.subarray(from, from + 1 + random.below(80));
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
  (bytes, at) => (bytes.length < 6 ? bytes : inRecords(bytes.subarray(5), [at - 5, at, at + 1])),
  (bytes, _, random, hellos) => Buffer.concat([bytes, random.pick(hellos)]),
  (bytes, _, random) => Buffer.concat([record(random.pick([20, 21, 22, 23]), [1].slice(random.below(2))), bytes]),
];

/** One of the hellos, changed up to `most` times. */
export function hostileHello(random: Random, hellos: readonly Buffer[], most: number): Buffer {
  let bytes = Buffer.from(random.pick(hellos));
  for (let round = random.below(most + 1); round > 0 && bytes.length > 0; round--) {
    bytes = Buffer.from(random.pick(MUTATIONS)(bytes, random.below(bytes.length), random, hellos));
  }
  return bytes;
}
