/** One kernel map by its file descriptor; keys and values are the bytes of bpf/abi.h. */
import { bpf, check } from "./libbpf.ts";

const ENOENT = 2;

/** Cilium's words for calls of the kernel on maps. */
export type MapOperation = "create" | "update" | "lookup" | "delete" | "getNextKey";
/** Told of each call on a map that ended, one for many entries as one; in seconds. A key that is not there is no failure. */
export type OnMapCall = (map: string, operation: MapOperation, isOk: boolean, seconds: number) => void;

export interface KernelMap {
  readonly name: string;
  readonly fd: number;
  /** Makes a call on it, and tells of it; its result. */
  timed(operation: MapOperation, call: () => number): number;
  /** Tells of a call that began at `performance.now()` = `start` and ended now. */
  ended(operation: MapOperation, result: number, start: number): void;
  set(key: Buffer, value: Buffer): void;
  /** The same for many, one behind the other, with one call. */
  setAll(entries: readonly (readonly [key: Buffer, value: Buffer])[]): void;
  get(key: Buffer): Buffer | undefined;
  /** Writes the value over `value`; false when there is none. */
  read(key: Buffer, value: Buffer): boolean;
  /** True when the key was there. */
  delete(key: Buffer): boolean;
  keys(): Iterable<Buffer>;
}

function* walk(map: KernelMap, keySize: number): Iterable<Buffer> {
  let key: Buffer | null = null;
  for (;;) {
    const next = Buffer.alloc(keySize);
    const after = key;
    if (map.timed("getNextKey", () => bpf.nextKey(map.fd, after, next)) < 0) return;
    yield next;
    key = next;
  }
}

/** Wraps the map `name` at `fd`; `valueSize` is what a lookup fills (all CPUs' values for a per-CPU map). */
export function kernelMap(
  name: string,
  fd: number,
  keySize: number,
  valueSize: number,
  onCall: OnMapCall = () => undefined,
): KernelMap {
  return {
    name,
    fd,
    timed(operation, call) {
      const start = performance.now();
      const result = call();
      this.ended(operation, result, start);
      return result;
    },
    ended(operation, result, start) {
      onCall(name, operation, result >= 0 || result === -ENOENT, (performance.now() - start) / 1000);
    },
    set(key, value) {
      check(
        `write ${name}`,
        this.timed("update", () => bpf.update(fd, key, value, 0n)),
      );
    },
    setAll(entries) {
      if (entries.length === 0) return;
      const keys = Buffer.concat(entries.map(([key]) => key));
      const values = Buffer.concat(entries.map(([, value]) => value));
      const count = Buffer.alloc(4);
      count.writeUInt32LE(entries.length);
      const call = () => bpf.updateBatch(fd, keys, values, count, null);
      check(`write ${entries.length} of ${name}`, this.timed("update", call));
    },
    get(key) {
      const value = Buffer.alloc(valueSize);
      return this.read(key, value) ? value : undefined;
    },
    read(key, value) {
      const result = this.timed("lookup", () => bpf.lookup(fd, key, value));
      if (result === -ENOENT) return false;
      check(`read ${name}`, result);
      return true;
    },
    delete(key) {
      const result = this.timed("delete", () => bpf.remove(fd, key));
      if (result === -ENOENT) return false;
      check(`delete from ${name}`, result);
      return true;
    },
    keys() {
      return [...walk(this, keySize)];
    },
  };
}

const BATCH = 4096;

/** Every entry of a hash map, in batches of up to `size`, so that a map of 64k entries takes milliseconds. */
export function* batches(
  map: KernelMap,
  keySize: number,
  valueSize: number,
  size = BATCH,
): Iterable<{ keys: Buffer; values: Buffer; count: number }> {
  const keys = Buffer.alloc(size * keySize);
  const values = Buffer.alloc(size * valueSize);
  const position = Buffer.alloc(Math.max(keySize, 8));
  let started = false;
  for (;;) {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(size);
    const from = started ? position : null;
    const result = map.timed("lookup", () => bpf.lookupBatch(map.fd, from, position, keys, values, count, null));
    if (result < 0 && result !== -ENOENT) check(`list ${map.name}`, result);
    if (count.readUInt32LE() > 0) yield { keys, values, count: count.readUInt32LE() };
    if (result === -ENOENT) return;
    started = true;
  }
}
