import { equalJson, type KubeObject } from "../../src/kube/object.ts";
import type { ResourceRef } from "../../src/kube/resources.ts";
import { KubeError } from "../../src/kube/status.ts";

type Handler = {
  onAdd(object: KubeObject): void;
  onUpdate(old: KubeObject, object: KubeObject): void;
  onDelete(object: KubeObject): void;
};

function keyOf(name: string, namespace: string | undefined): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

function refKey(ref: ResourceRef): string {
  return `${ref.resource}.${ref.group}`;
}

/** One informer over the fake; events reach it in order and as tasks of their own, like those of a watch. */
class FakeInformer {
  hasSynced = false;
  isConnected = false;
  private readonly kube: FakeKube;
  private readonly ref: ResourceRef;
  private readonly selects: (object: KubeObject) => boolean;
  private readonly cache = new Map<string, KubeObject>();
  private readonly handlers: Handler[] = [];

  constructor(kube: FakeKube, ref: ResourceRef, selects: (object: KubeObject) => boolean) {
    this.kube = kube;
    this.ref = ref;
    this.selects = selects;
  }

  async start(): Promise<void> {
    await this.kube.reachable();
    for (const object of this.kube.objects(this.ref)) this.see(object, object);
    this.kube.subscribe(this);
    this.hasSynced = true;
    this.isConnected = true;
  }

  stop(): void {
    this.kube.unsubscribe(this);
  }

  get(name: string, namespace?: string): KubeObject | undefined {
    return this.cache.get(keyOf(name, namespace));
  }

  list(): KubeObject[] {
    return [...this.cache.values()];
  }

  on(handler: Handler): void {
    this.handlers.push(handler);
  }

  watches(ref: ResourceRef): boolean {
    return refKey(ref) === refKey(this.ref);
  }

  /** `now` undefined = deleted. */
  see(object: KubeObject, now: KubeObject | undefined): void {
    const key = keyOf(object.metadata.name, object.metadata.namespace);
    const old = this.cache.get(key);
    const next = now !== undefined && this.selects(now) ? now : undefined;
    if (next === undefined) {
      if (old === undefined) return;
      this.cache.delete(key);
      for (const handler of this.handlers) handler.onDelete(old);
      return;
    }
    this.cache.set(key, next);
    for (const handler of this.handlers) {
      if (old === undefined) handler.onAdd(next);
      else handler.onUpdate(old, next);
    }
  }
}

/** A Kubernetes API in memory: what the agent needs of a client and its informers, and knobs for its failures. */
export class FakeKube {
  /** While set, every call fails as when nobody listens. */
  away = false;
  /** Calls as `verb resource name`, for assertions on traffic. */
  readonly calls: string[] = [];
  private readonly stored = new Map<string, Map<string, KubeObject>>();
  private readonly informers = new Set<FakeInformer>();
  private version = 0;
  private waiting: (() => void)[] = [];

  informer = (ref: ResourceRef, options: { fieldSelector?: string; namespace?: string } = {}): FakeInformer => {
    const { namespace } = options;
    const wanted = options.fieldSelector?.split("=");
    const path = wanted?.[0]?.split(".") ?? [];
    const selects = (object: KubeObject): boolean => {
      if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
      if (wanted === undefined) return true;
      const value = path.reduce<unknown>((at, field) => (at as Record<string, unknown> | undefined)?.[field], object);
      return value === wanted[1];
    };
    return new FakeInformer(this, ref, selects);
  };

  /** Resolves when the API answers. */
  async reachable(): Promise<void> {
    while (this.away) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  comeBack(): void {
    this.away = false;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  objects(ref: ResourceRef): KubeObject[] {
    return [...this.collection(ref).values()];
  }

  peek(ref: ResourceRef, name: string, namespace?: string): KubeObject | undefined {
    return this.collection(ref).get(keyOf(name, namespace));
  }

  async get(ref: ResourceRef, name: string, namespace?: string): Promise<KubeObject> {
    await this.call("get", ref, name);
    return this.found(ref, name, namespace);
  }

  async create(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    await this.call("create", ref, object.metadata.name);
    return this.put(ref, object);
  }

  /** Creates an object as somebody else, whether or not the API is away for the agent. */
  put(ref: ResourceRef, object: KubeObject): KubeObject {
    const key = keyOf(object.metadata.name, object.metadata.namespace);
    if (this.collection(ref).has(key))
      throw new KubeError(409, "AlreadyExists", `${ref.resource} ${key} already exists`);
    const uid = object.metadata.uid ?? `uid-${++this.version}`;
    return this.store(ref, { ...object, metadata: { creationTimestamp: this.time(), ...object.metadata, uid } });
  }

  async update(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    await this.call("update", ref, object.metadata.name);
    return this.replace(ref, object);
  }

  async updateStatus(ref: ResourceRef, object: KubeObject): Promise<KubeObject> {
    await this.call("updateStatus", ref, object.metadata.name);
    const found = this.found(ref, object.metadata.name, object.metadata.namespace);
    return this.store(ref, { ...found, status: object.status });
  }

  replace(ref: ResourceRef, object: KubeObject): KubeObject {
    const found = this.found(ref, object.metadata.name, object.metadata.namespace);
    const { resourceVersion, uid } = object.metadata;
    const isStale = resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion;
    if (isStale || (uid !== undefined && uid !== found.metadata.uid)) {
      throw new KubeError(409, "Conflict", `${ref.resource} ${object.metadata.name} was changed by somebody else`);
    }
    const { creationTimestamp } = found.metadata;
    const next = { ...object, metadata: { ...object.metadata, uid: found.metadata.uid, creationTimestamp } };
    return equalJson(next, found) ? found : this.store(ref, next as KubeObject);
  }

  async delete(
    ref: ResourceRef,
    name: string,
    options: { namespace?: string; preconditions?: { uid?: string } } = {},
  ): Promise<void> {
    await this.call("delete", ref, name);
    const found = this.found(ref, name, options.namespace);
    const uid = options.preconditions?.uid;
    if (uid !== undefined && uid !== found.metadata.uid) throw new KubeError(409, "Conflict", "the uid differs");
    this.drop(ref, name, options.namespace);
  }

  /** Deletes as somebody else; nothing happens when it is gone. */
  drop(ref: ResourceRef, name: string, namespace?: string): void {
    const key = keyOf(name, namespace);
    const found = this.collection(ref).get(key);
    if (found === undefined) return;
    this.collection(ref).delete(key);
    this.tell(ref, found, undefined);
  }

  subscribe(informer: FakeInformer): void {
    this.informers.add(informer);
  }

  unsubscribe(informer: FakeInformer): void {
    this.informers.delete(informer);
  }

  private async call(verb: string, ref: ResourceRef, name: string): Promise<void> {
    this.calls.push(`${verb} ${ref.resource} ${name}`);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.away) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  }

  private found(ref: ResourceRef, name: string, namespace: string | undefined): KubeObject {
    const found = this.collection(ref).get(keyOf(name, namespace));
    if (found === undefined) throw new KubeError(404, "NotFound", `${ref.resource} ${name} not found`);
    return found;
  }

  private store(ref: ResourceRef, object: KubeObject): KubeObject {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.version) } };
    this.collection(ref).set(keyOf(object.metadata.name, object.metadata.namespace), stored);
    this.tell(ref, stored, stored);
    return stored;
  }

  private tell(ref: ResourceRef, object: KubeObject, now: KubeObject | undefined): void {
    for (const informer of this.informers) {
      if (!informer.watches(ref)) continue;
      setImmediate(() => {
        if (this.informers.has(informer)) informer.see(object, now);
      });
    }
  }

  private collection(ref: ResourceRef): Map<string, KubeObject> {
    const key = refKey(ref);
    const known = this.stored.get(key);
    if (known !== undefined) return known;
    const made = new Map<string, KubeObject>();
    this.stored.set(key, made);
    return made;
  }

  /** Grows with every object, so that the younger one is always known. */
  private time(): string {
    return new Date(1_700_000_000_000 + this.version * 1000).toISOString();
  }
}
