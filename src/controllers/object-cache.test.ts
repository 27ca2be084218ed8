import { expect, test } from "vitest";
import type { Informer, InformerHandler, KubeObject } from "../kube/client/index.ts";
import { ObjectCache } from "./object-cache.ts";
import { thing } from "./test-objects.ts";

class FakeInformer implements Informer {
  readonly objects = new Map<string, KubeObject>();
  readonly hasSynced = true;
  readonly isConnected = true;
  #handler: InformerHandler = {};
  start(): Promise<void> {
    return Promise.resolve();
  }
  stop(): void {}
  on(handler: InformerHandler): void {
    this.#handler = handler;
  }
  get(name: string): KubeObject | undefined {
    return this.objects.get(name);
  }
  list(): KubeObject[] {
    return [...this.objects.values()];
  }
  remove(name: string): void {
    const object = this.objects.get(name)!;
    this.objects.delete(name);
    this.#handler.onDelete?.(object);
  }
}

const at = (resourceVersion: string, uid = "u"): KubeObject => thing("Pod", "p", { meta: { resourceVersion, uid } });

test("an own write is seen before the watch tells it, and gives way when it does", () => {
  const informer = new FakeInformer();
  const cache = new ObjectCache(informer, () => 0);
  cache.wrote(at("5"));
  expect(cache.list().map((object) => object.metadata.resourceVersion)).toEqual(["5"]);
  informer.objects.set("p", at("4"));
  expect(cache.get("p", "default")?.metadata.resourceVersion).toBe("5");
  informer.objects.set("p", at("6"));
  expect(cache.get("p", "default")?.metadata.resourceVersion).toBe("6");
  expect(cache.list()).toHaveLength(1);
});

test("an own delete hides the object, but not its successor of the same name", () => {
  const informer = new FakeInformer();
  const cache = new ObjectCache(informer, () => 0);
  informer.objects.set("p", at("4"));
  cache.deleted(at("4"));
  expect(cache.list()).toEqual([]);
  informer.objects.set("p", at("9", "other"));
  expect(cache.list()).toHaveLength(1);
});

test("what was deleted and has time to leave is seen until it is gone: its place is not free yet", () => {
  const informer = new FakeInformer();
  const cache = new ObjectCache(informer, () => 0);
  informer.objects.set("p", at("4"));
  cache.deleted(at("4"), at("5"));
  expect(cache.list().map((object) => object.metadata.resourceVersion)).toEqual(["5"]);
  informer.objects.set("p", at("6"));
  expect(cache.get("p", "default")?.metadata.resourceVersion).toBe("6");
  informer.remove("p");
  expect(cache.list()).toEqual([]);
  // told before the answer came: nothing stands in for it
  cache.deleted(at("4"), at("5"));
  expect(cache.list()).toEqual([]);
});

test("what the watch never confirms is forgotten after a while, and at once when it tells the end", () => {
  let now = 0;
  const informer = new FakeInformer();
  const cache = new ObjectCache(informer, () => now);
  cache.wrote(at("5"));
  now = 6000;
  expect(cache.list()).toEqual([]);
  informer.objects.set("p", at("5"));
  cache.wrote(at("7"));
  informer.remove("p");
  expect(cache.list()).toEqual([]);
});
