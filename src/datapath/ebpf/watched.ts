/** The ports whose packets are shown to the agent: the map, and the count that the programs look at first. */
import type { WatchedPort } from "../port.ts";
import { LAYOUT } from "./layout.ts";
import type { KernelMap } from "./map.ts";

const F = LAYOUT.sg_watched_key.fields;
const SIZE = LAYOUT.sg_watched_key.size;
const DIRECTIONS = { ingress: 1, egress: 2 } as const;
const SHOWN = Buffer.from([1]);

function keyOf({ endpoint, direction, protocol, port }: WatchedPort): Buffer {
  const key = Buffer.alloc(SIZE);
  key.writeUInt32LE(endpoint, F.endpoint);
  key.writeUInt8(DIRECTIONS[direction], F.direction);
  key.writeUInt8(protocol, F.protocol);
  key.writeUInt16BE(port, F.port);
  return key;
}

/** Makes `ports` all that is watched. Throws when the map is full. */
export function replaceWatched(watched: KernelMap, watching: KernelMap, ports: readonly WatchedPort[]): void {
  const wanted = new Map(ports.map((port) => [keyOf(port).toString("hex"), keyOf(port)]));
  for (const key of watched.keys()) if (!wanted.delete(key.toString("hex"))) watched.delete(key);
  for (const key of wanted.values()) watched.set(key, SHOWN);
  const count = Buffer.alloc(4);
  count.writeUInt32LE(ports.length);
  watching.set(Buffer.alloc(4), count);
}
