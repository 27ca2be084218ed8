import type { KubeObject } from "../object.ts";
import type { ResourceRef } from "../resources.ts";
import { KubeError } from "../status.ts";
import type { KubeClient, ListOptions } from "./client.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2000;

/** What wants to hear of changes; calls come in the order of the changes. */
export interface InformerHandler {
  readonly onAdd?: (object: KubeObject) => void;
  readonly onUpdate?: (old: KubeObject, next: KubeObject) => void;
  /** The last state that is known. */
  readonly onDelete?: (object: KubeObject) => void;
}

/** A copy of a resource, kept up to date. It stays readable while the server is away. */
export interface Informer {
  /** Resolves after the first list; tries until then. */
  start(): Promise<void>;
  stop(): void;
  get(name: string, namespace?: string): KubeObject | undefined;
  list(): KubeObject[];
  /** A handler that comes late is first told of everything that is there. */
  on(handler: InformerHandler): void;
  readonly hasSynced: boolean;
  /** False from a list or watch that failed to one that the server took: what is read may be old. */
  readonly isConnected: boolean;
}

export interface InformerOptions extends ListOptions {
  /** A server that does not know the resource counts as having none of it, until it does. */
  readonly isOptional?: boolean;
  /** Told of each failed list or watch, before the next try. */
  readonly onError?: (error: unknown) => void;
}

/** What an informer needs of a client. */
export type ListWatchClient = Pick<KubeClient, "list" | "watch">;

/** An informer on a resource; nothing is asked before `start`. */
export function createInformer(client: ListWatchClient, ref: ResourceRef, options: InformerOptions = {}): Informer {
  return new ListWatch(client, ref, options);
}

const keyOf = (name: string, namespace = ""): string => `${namespace}/${name}`;
const keyOfObject = (object: KubeObject): string => keyOf(object.metadata.name, object.metadata.namespace);

class ListWatch implements Informer {
  readonly #client: ListWatchClient;
  readonly #ref: ResourceRef;
  readonly #options: InformerOptions;
  readonly #handlers: InformerHandler[] = [];
  readonly #objects = new Map<string, KubeObject>();
  readonly #end = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  /** Undefined when the next step is to list. */
  #revision: string | undefined;
  #hasSynced = false;
  #isConnected = false;
  #started = false;
  #failures = 0;

  constructor(client: ListWatchClient, ref: ResourceRef, options: InformerOptions) {
    this.#client = client;
    this.#ref = ref;
    this.#options = options;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  start(): Promise<void> {
    if (!this.#started) {
      this.#started = true;
      void this.#run();
    }
    return this.#synced.promise;
  }

  stop(): void {
    this.#end.abort();
    // Nobody waits for a list that will not come.
    this.#synced.resolve();
  }

  get(name: string, namespace?: string): KubeObject | undefined {
    return this.#objects.get(keyOf(name, namespace));
  }

  list(): KubeObject[] {
    return [...this.#objects.values()];
  }

  on(handler: InformerHandler): void {
    this.#handlers.push(handler);
    if (this.#hasSynced) for (const object of this.#objects.values()) handler.onAdd?.(object);
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      try {
        if (this.#revision === undefined) await this.#relist();
        await this.#follow();
      } catch (error) {
        if (signal.aborted) return;
        this.#isConnected = false;
        // Too old: what was missed is found by listing again, at once.
        if (error instanceof KubeError && error.code === 410) {
          this.#revision = undefined;
          if (this.#failures++ === 0) continue;
        }
        if (this.#options.isOptional && error instanceof KubeError && error.code === 404) this.#replace([], undefined);
        else this.#options.onError?.(error);
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    const limit = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures++);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limit / 2 + (Math.random() * limit) / 2);
    this.#end.signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(() => clearTimeout(timer));
  }

  async #relist(): Promise<void> {
    const { items, resourceVersion } = await this.#client.list(this.#ref, this.#options);
    if (this.#end.signal.aborted) return;
    this.#replace(items, resourceVersion);
  }

  #replace(items: readonly KubeObject[], revision: string | undefined): void {
    const found = new Set(items.map(keyOfObject));
    for (const [key, object] of this.#objects) if (!found.has(key)) this.#forget(object);
    for (const item of items) this.#learn(item);
    this.#revision = revision;
    this.#isConnected = true;
    if (this.#hasSynced) return;
    this.#hasSynced = true;
    this.#synced.resolve();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    const resourceVersion = this.#revision ?? "";
    const startedAt = performance.now();
    const onOpen = () => {
      this.#isConnected = true;
    };
    const options = { ...this.#options, resourceVersion, signal, onOpen };
    for await (const { type, object } of this.#client.watch(this.#ref, options)) {
      if (signal.aborted) return;
      this.#failures = 0;
      if (type === "DELETED") this.#forget(object);
      else if (type !== "BOOKMARK") this.#learn(object);
      this.#revision = object.metadata.resourceVersion ?? this.#revision;
    }
    // A server that ends each watch at once must not be asked in a loop.
    if (!signal.aborted && performance.now() - startedAt < FIRST_RETRY_MS) await this.#pause();
  }

  #learn(object: KubeObject): void {
    const key = keyOfObject(object);
    const old = this.#objects.get(key);
    if (old && old.metadata.uid !== object.metadata.uid) {
      // Deleted and made again while we were away: two objects that share a name.
      this.#forget(old);
      this.#learn(object);
      return;
    }
    if (old?.metadata.resourceVersion === object.metadata.resourceVersion && old) return;
    this.#objects.set(key, object);
    for (const handler of this.#handlers) {
      if (old) this.#tell(() => handler.onUpdate?.(old, object));
      else this.#tell(() => handler.onAdd?.(object));
    }
  }

  #forget(object: KubeObject): void {
    if (!this.#objects.delete(keyOfObject(object))) return;
    for (const handler of this.#handlers) this.#tell(() => handler.onDelete?.(object));
  }

  /** A handler that throws must not stop the others, nor the watch. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.onError?.(error);
    }
  }
}
