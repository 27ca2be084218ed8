import type { Stored } from "./store.ts";

/** Objects by `namespace/name`, listed in the order of that text without sorting them each time. */
export class OrderedObjects {
  readonly #objects = new Map<string, Stored>();
  /** The keys in order, and beside each its object. */
  readonly #keys: string[] = [];
  readonly #inOrder: Stored[] = [];

  get(key: string): Stored | undefined {
    return this.#objects.get(key);
  }

  set(key: string, stored: Stored): void {
    const place = this.#place(key);
    const isNew = !this.#objects.has(key);
    if (isNew) this.#keys.splice(place, 0, key);
    this.#inOrder.splice(place, isNew ? 0 : 1, stored);
    this.#objects.set(key, stored);
  }

  delete(key: string): void {
    if (!this.#objects.delete(key)) return;
    const place = this.#place(key);
    this.#keys.splice(place, 1);
    this.#inOrder.splice(place, 1);
  }

  /** All of them. */
  all(): Stored[] {
    return this.#inOrder.slice();
  }

  /** Those of one namespace; "" is the one of what has none. */
  of(namespace: string): Stored[] {
    // No key lies between the last of `a/…` and `a0`: that character follows the slash.
    return this.#inOrder.slice(this.#place(`${namespace}/`), this.#place(`${namespace}0`));
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
