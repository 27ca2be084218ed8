/** One kernel map by its file descriptor; keys and values are the bytes of bpf/abi.h. */
import { bpf, check } from "./libbpf.ts";

const ENOENT = 2;

export interface KernelMap {
  readonly name: string;
  readonly fd: number;
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

function* walk(fd: number, keySize: number): Iterable<Buffer> {
  let key: Buffer | null = null;
  for (;;) {
    const next = Buffer.alloc(keySize);
    if (bpf.nextKey(fd, key, next) < 0) return;
    yield next;
    key = next;
  }
}

/** Wraps the map `name` at `fd`; `valueSize` is what a lookup fills (all CPUs' values for a per-CPU map). */
export function kernelMap(name: string, fd: number, keySize: number, valueSize: number): KernelMap {
  return {
    name,
    fd,
    set: (key, value) => void check(`write ${name}`, bpf.update(fd, key, value, 0n)),
    setAll(entries) {
      if (entries.length === 0) return;
      const keys = Buffer.concat(entries.map(([key]) => key));
      const values = Buffer.concat(entries.map(([, value]) => value));
      const count = Buffer.alloc(4);
      count.writeUInt32LE(entries.length);
      check(`write ${entries.length} of ${name}`, bpf.updateBatch(fd, keys, values, count, null));
    },
    get(key) {
      const value = Buffer.alloc(valueSize);
      return this.read(key, value) ? value : undefined;
    },
    read(key, value) {
      const result = bpf.lookup(fd, key, value);
      if (result === -ENOENT) return false;
      check(`read ${name}`, result);
      return true;
    },
    delete(key) {
      const result = bpf.remove(fd, key);
      if (result === -ENOENT) return false;
      check(`delete from ${name}`, result);
      return true;
    },
    keys: () => [...walk(fd, keySize)],
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
    const result = bpf.lookupBatch(map.fd, started ? position : null, position, keys, values, count, null);
    if (result < 0 && result !== -ENOENT) check(`list ${map.name}`, result);
    if (count.readUInt32LE() > 0) yield { keys, values, count: count.readUInt32LE() };
    if (result === -ENOENT) return;
    started = true;
  }
}
