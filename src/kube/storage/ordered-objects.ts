import type { Stored } from "./store.ts";

/** Objects by `namespace/name`, listed in the order of that text without sorting them each time. */
export class OrderedObjects {
  readonly #objects = new Map<string, Stored>();
  readonly #keys: string[] = [];

  get(key: string): Stored | undefined {
    return this.#objects.get(key);
  }

  set(key: string, stored: Stored): void {
    if (!this.#objects.has(key)) this.#keys.splice(this.#place(key), 0, key);
    this.#objects.set(key, stored);
  }

  delete(key: string): void {
    if (this.#objects.delete(key)) this.#keys.splice(this.#place(key), 1);
  }

  /** Those whose key begins with the text. */
  list(prefix: string): Stored[] {
    const listed: Stored[] = [];
    for (let place = prefix === "" ? 0 : this.#place(prefix); place < this.#keys.length; place++) {
      const key = this.#keys[place]!;
      if (!key.startsWith(prefix)) break;
      listed.push(this.#objects.get(key)!);
    }
    return listed;
  }

  /** Where the key stands, or would. */
  #place(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
