import { Events, type KubeClient, KubeError, type KubeObject } from "../kube/client/index.ts";
import { eventName } from "../kube/event-name.ts";
import { timestamp } from "../kube/object.ts";

export interface EventNote {
  /** `Normal` or `Warning`. */
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** Who says it: `replicaset-controller`. */
  readonly component: string;
}

interface Known {
  readonly name: string;
  count: number;
}

const REMEMBERED = 4096;

/**
 * Writes core/v1 events, as `kubectl describe` and `kubectl get events` show them. The same words about the same object
 * raise the count of one event. Recording never delays nor fails what is recorded.
 */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #now: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #known = new Map<string, Known>();
  #writes: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(client: KubeClient, now: () => number, onError: (error: unknown) => void) {
    this.#client = client;
    this.#now = now;
    this.#onError = onError;
  }

  /** Notes something about an object. */
  record(object: KubeObject, note: EventNote): void {
    const at = timestamp(this.#now());
    this.#writes = this.#writes.then(() => (this.#stopped ? undefined : this.#write(object, note, at)));
  }

  /** Resolves when the note that is being written is written; those behind it are dropped. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#writes;
  }

  async #write(object: KubeObject, note: EventNote, at: string): Promise<void> {
    const key = [object.metadata.uid, note.type, note.reason, note.message, note.component].join("\n");
    const namespace = object.metadata.namespace ?? "default";
    try {
      const known = this.#known.get(key);
      if (known && (await this.#repeat(known, namespace, at))) return;
      const name = eventName(object.metadata.name, this.#now());
      await this.#client.create(Events, newEvent(object, note, name, namespace, at));
      this.#remember(key, { name, count: 1 });
    } catch (error) {
      if (!this.#stopped) this.#onError(error);
    }
  }

  async #repeat(known: Known, namespace: string, at: string): Promise<boolean> {
    known.count++;
    try {
      const patch = { count: known.count, lastTimestamp: at };
      await this.#client.patch(Events, known.name, patch, { namespace, type: "merge" });
      return true;
    } catch (error) {
      // Events expire: then the next one starts anew.
      if (error instanceof KubeError && error.code === 404) return false;
      throw error;
    }
  }

  #remember(key: string, known: Known): void {
    if (this.#known.size >= REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, known);
  }
}

function newEvent(object: KubeObject, note: EventNote, name: string, namespace: string, at: string): KubeObject {
  const { metadata, apiVersion, kind } = object;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace },
    involvedObject: {
      kind,
      apiVersion,
      name: metadata.name,
      ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      ...(metadata.uid ? { uid: metadata.uid } : {}),
      ...(metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
    },
    reason: note.reason,
    message: note.message,
    source: { component: note.component },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
    type: note.type,
    reportingComponent: note.component,
    reportingInstance: "",
  };
}
