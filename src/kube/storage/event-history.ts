import { HistoryGone, type StoreEvent } from "./store.ts";

/** The last changes of one resource, and those who want to hear the next ones. */
export class EventHistory {
  readonly #capacity: number;
  readonly #events: StoreEvent[] = [];
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  /** Changes up to this revision are forgotten. */
  #oldest: number;

  constructor(capacity: number, oldest: number) {
    this.#capacity = capacity;
    this.#oldest = oldest;
  }

  add(event: StoreEvent): void {
    this.#events.push(event);
    // Half at a time: shifting one a write would move the whole array each time.
    if (this.#events.length > this.#capacity * 2) {
      const dropped = this.#events.splice(0, this.#capacity);
      this.#oldest = dropped[dropped.length - 1]!.stored.revision;
    }
    for (const listener of [...this.#listeners]) listener(event);
  }

  watch(revision: number, listener: (event: StoreEvent) => void): () => void {
    if (revision < this.#oldest) throw new HistoryGone(revision, this.#oldest);
    for (const event of this.#events) if (event.stored.revision > revision) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
