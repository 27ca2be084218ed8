import type { KubeClient, KubeObject, ResourceRef } from "../kube/client/index.ts";
import { createInformer, type Informer, KubeError } from "../kube/client/index.ts";
import { EventRecorder } from "./event-recorder.ts";
import { ObjectCache } from "./object-cache.ts";
import { WorkQueue } from "./work-queue.ts";

/** Told of what a controller could not do; it tries again by itself. */
export type Report = (controller: string, key: string, error: unknown) => void;

/** Someone else was faster, or the object, or its namespace, is going: the next run sees the newer state. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  const leaving = error.details?.causes?.some((cause) => cause.reason === "NamespaceTerminating") === true;
  return error.code === 409 || error.code === 404 || leaving;
}

/** What all controllers share: one client, one informer a resource, one clock. */
export class ControllerContext {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly #report: Report;
  readonly #informers = new Map<string, { informer: Informer; cache: ObjectCache }>();
  readonly #queues: WorkQueue[] = [];
  #started = false;
  #synced = false;

  constructor(client: KubeClient, now: () => number, report: Report) {
    this.client = client;
    this.now = now;
    this.#report = report;
    this.events = new EventRecorder(client, now, (error) => {
      if (!isExpected(error)) report("events", "", error);
    });
  }

  /** The shared view of a resource. */
  cache(ref: ResourceRef): ObjectCache {
    const id = `${ref.group}/${ref.version}/${ref.resource}`;
    const known = this.#informers.get(id);
    if (known) return known.cache;
    const informer = createInformer(this.client, ref, { onError: (error) => this.#report("informer", id, error) });
    const entry = { informer, cache: new ObjectCache(informer, this.now) };
    this.#informers.set(id, entry);
    if (this.#started) void informer.start();
    return entry.cache;
  }

  /** A queue of the controller, whose failures are tried again; those that every busy cluster has are not reported. */
  queue(controller: string, work: (key: string) => Promise<void>, parallel = 8): WorkQueue {
    const queue = new WorkQueue({
      work,
      parallel,
      closed: !this.#synced,
      onError: (key, error) => {
        if (!isExpected(error)) this.#report(controller, key, error);
      },
    });
    this.#queues.push(queue);
    return queue;
  }

  /**
   * Resolves when every informer has its first list. No queue works before: what is only not listed yet looks like
   * something that is gone.
   */
  async start(): Promise<void> {
    this.#started = true;
    await Promise.all([...this.#informers.values()].map(({ informer }) => informer.start()));
    this.#synced = true;
    for (const queue of this.#queues) queue.open();
  }

  /** Takes no new work; resolves when the last note is written. */
  async stop(): Promise<void> {
    for (const queue of this.#queues) queue.stop();
    for (const { informer } of this.#informers.values()) informer.stop();
    await this.events.stop();
  }

  async create(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.cache(ref).wrote(await this.client.create(ref, object));
  }

  async update(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.cache(ref).wrote(await this.client.update(ref, object));
  }

  async updateStatus(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    return this.cache(ref).wrote(await this.client.updateStatus(ref, object));
  }

  /** Deletes this very object (its uid), unless it is gone already. */
  async delete(ref: ResourceRef, object: KubeObject, gracePeriodSeconds?: number): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    let answer: unknown;
    try {
      answer = await this.client.delete(ref, name, {
        ...(namespace ? { namespace } : {}),
        ...(uid ? { preconditions: { uid } } : {}),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
        propagationPolicy: "Background",
      });
    } catch (error) {
      if (!(error instanceof KubeError && error.code === 404)) throw error;
    }
    this.cache(ref).deleted(object, leavingOf(answer));
  }
}

/** The object that a delete answered with, when it stays for its grace or its finalizers. */
function leavingOf(answer: unknown): KubeObject | undefined {
  const { metadata } = (answer ?? {}) as Partial<KubeObject>;
  if (metadata?.deletionTimestamp === undefined) return undefined;
  const stays = Number(metadata.deletionGracePeriodSeconds ?? 0) > 0 || (metadata.finalizers ?? []).length > 0;
  return stays ? (answer as KubeObject) : undefined;
}

/** The parts of a key that `keyOf` made. */
export function splitKey(key: string): { namespace: string; name: string } {
  const at = key.indexOf("/");
  return { namespace: key.slice(0, at), name: key.slice(at + 1) };
}
