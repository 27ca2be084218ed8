import { equalJson } from "../kube/object.ts";
import { CiliumEndpoints } from "../kube/resources.ts";
import { type KubeClient, type KubeObject, reasonOf } from "./kube.ts";

function belongsTo(object: KubeObject, podUid: string): boolean {
  return object.metadata.ownerReferences?.some((owner) => owner.uid === podUid) ?? false;
}

/**
 * Keeps the CiliumEndpoints of local pods up to date: one call at a time for each, the last content wins, failures are
 * tried again by `publish` or `retry`.
 */
export class CiliumEndpointWriter {
  private readonly client: KubeClient;
  private readonly cached: (name: string, namespace: string) => KubeObject | undefined;
  private readonly wanted = new Map<string, KubeObject>();
  private readonly written = new Map<string, KubeObject>();
  private readonly running = new Map<string, Promise<void>>();

  /** `cached` is the informer's copy: it saves a call. */
  constructor(client: KubeClient, cached: (name: string, namespace: string) => KubeObject | undefined) {
    this.client = client;
    this.cached = cached;
  }

  /** Resolves when the API has this content or a later one. */
  publish(key: string, object: KubeObject): Promise<void> {
    this.wanted.set(key, object);
    const running = this.running.get(key);
    if (running !== undefined) return running;
    const started = this.write(key);
    this.running.set(key, started);
    return started;
  }

  /** Removes the object if it is still the one of this pod. */
  async remove(key: string, namespace: string, name: string, podUid: string): Promise<void> {
    this.wanted.delete(key);
    await this.running.get(key)?.catch(() => undefined);
    this.written.delete(key);
    try {
      const found = await this.client.get(CiliumEndpoints, name, namespace);
      if (!belongsTo(found, podUid)) return;
      const { uid } = found.metadata;
      await this.client.delete(CiliumEndpoints, name, {
        namespace,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      });
    } catch (error) {
      if (!["NotFound", "Conflict"].includes(reasonOf(error) ?? "")) throw error;
    }
  }

  /** Keys whose content has not reached the API. */
  pending(): readonly string[] {
    return [...this.wanted.keys()].filter((key) => !equalJson(this.wanted.get(key), this.written.get(key)));
  }

  /** Somebody else changed or removed the object: it has to be written again. */
  invalidate(key: string): void {
    this.written.delete(key);
  }

  retry(key: string): Promise<void> {
    const object = this.wanted.get(key);
    return object === undefined ? Promise.resolve() : this.publish(key, object);
  }

  /** Ends only when nothing newer is wanted: whoever waits for it sees the latest content written. */
  private async write(key: string): Promise<void> {
    try {
      await Promise.resolve();
      for (;;) {
        const object = this.wanted.get(key);
        if (object === undefined || equalJson(object, this.written.get(key))) return;
        await this.put(object);
        this.written.set(key, object);
      }
    } finally {
      this.running.delete(key);
    }
  }

  private async put(object: KubeObject): Promise<void> {
    const { name, namespace } = object.metadata;
    let found = this.cached(name, namespace ?? "");
    for (;;) {
      try {
        if (found === undefined) await this.client.create(CiliumEndpoints, object);
        else await this.client.update(CiliumEndpoints, replacing(found, object));
        return;
      } catch (error) {
        if (!RACES.includes(reasonOf(error) ?? "")) throw error;
      }
      found = await this.find(name, namespace);
    }
  }

  private async find(name: string, namespace: string | undefined): Promise<KubeObject | undefined> {
    try {
      return await this.client.get(CiliumEndpoints, name, namespace);
    } catch (error) {
      if (reasonOf(error) === "NotFound") return undefined;
      throw error;
    }
  }
}

/** Answers that say that the object is not as it was in the cache. */
const RACES = ["AlreadyExists", "Conflict", "NotFound"];

function replacing(found: KubeObject, object: KubeObject): KubeObject {
  const { resourceVersion, uid } = found.metadata;
  return { ...object, metadata: { ...object.metadata, resourceVersion, uid } };
}
