/** How many endpoints hold each address of each name, and which names gained or lost one. */
export class HeldAddresses {
  private readonly counts = new Map<string, Map<string, number>>();
  private changed = new Set<string>();

  add(name: string, address: string): void {
    const held = this.counts.get(name) ?? new Map<string, number>();
    this.counts.set(name, held);
    const count = held.get(address) ?? 0;
    held.set(address, count + 1);
    if (count === 0) this.changed.add(name);
  }

  remove(name: string, address: string): void {
    const held = this.counts.get(name);
    const count = held?.get(address);
    if (held === undefined || count === undefined) return;
    if (count > 1) {
      held.set(address, count - 1);
      return;
    }
    held.delete(address);
    if (held.size === 0) this.counts.delete(name);
    this.changed.add(name);
  }

  names(): Iterable<string> {
    return this.counts.keys();
  }

  addressesOf(name: string): readonly string[] {
    return [...(this.counts.get(name)?.keys() ?? [])];
  }

  /** The names that gained or lost an address since the last call. */
  takeChanged(): readonly string[] {
    if (this.changed.size === 0) return [];
    const taken = [...this.changed];
    this.changed = new Set();
    return taken;
  }
}
