import type { Store } from "../storage/store.ts";

const EVENTS = "/events";
const LIFETIME_MS = 3_600_000;
const SWEEP_MS = 60_000;

/** Deletes Kubernetes events an hour after they were made or, when that is later, last seen. */
export function expireEvents(store: Store, now: number): void {
  for (const { object, revision } of store.list(EVENTS)) {
    const { namespace = "", name, creationTimestamp = "" } = object.metadata;
    const seen = Date.parse(String(object.lastTimestamp ?? object.eventTime ?? ""));
    const made = Date.parse(creationTimestamp);
    const last = Number.isNaN(seen) ? made : Math.max(seen, made);
    if (now - last > LIFETIME_MS) {
      store.remove(EVENTS, namespace, name, revision);
    }
  }
}

/** Sweeps every minute until the call it returns. */
export function startEventExpiry(store: Store, now: () => number): () => void {
  const timer = setInterval(() => expireEvents(store, now()), SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}
