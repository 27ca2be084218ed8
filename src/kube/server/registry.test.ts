import { expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import { SqliteStore } from "../storage/sqlite-store.ts";
import { expireEvents } from "./event-expiry.ts";
import { declareKind } from "./kind.ts";
import { Registry } from "./registry.ts";
import { parseResourcePath, verbOf } from "./request-info.ts";

it("offers a group's most stable and newest version first", () => {
  const registry = new Registry();
  for (const version of ["v1alpha1", "v1", "v2beta1", "v2", "v2alpha1", "v10"]) {
    registry.add(declareKind({ group: "g", version, kind: "K", resource: "ks", namespaced: true }));
  }
  expect(registry.groups().get("g")).toEqual(["v10", "v2", "v1", "v2beta1", "v2alpha1", "v1alpha1"]);
});

it("reads paths as Kubernetes means them", () => {
  const read = (path: string) => {
    const info = parseResourcePath(path);
    return info && [info.group, info.version, info.namespace, info.resource, info.name, info.subresource].join("|");
  };
  expect(read("/api/v1/namespaces/a/pods/b/log")).toBe("|v1|a|pods|b|log");
  expect(read("/api/v1/namespaces/a")).toBe("|v1||namespaces|a|");
  expect(read("/api/v1/namespaces/a/finalize")).toBe("|v1||namespaces|a|finalize");
  expect(read("/api/v1/namespaces/a/status")).toBe("|v1||namespaces|a|status");
  expect(read("/apis/apps/v1/namespaces/a/deployments")).toBe("apps|v1|a|deployments||");
  expect(read("/apis/cilium.io/v2/ciliumnodes/n%2F1")).toBe("cilium.io|v2||ciliumnodes|n/1|");
  expect(read("/apis/apps/v1")).toBeUndefined();
  expect(read("/api/v1/namespaces/a/pods/b/log/too/deep")).toBeUndefined();
  const pods = parseResourcePath("/api/v1/pods")!;
  expect(verbOf("GET", pods, new URLSearchParams("watch=1"))).toBe("watch");
  expect(verbOf("DELETE", pods, new URLSearchParams())).toBe("deletecollection");
});

it("deletes events an hour after they were made, or last seen", () => {
  const store = new SqliteStore(":memory:");
  const now = Date.parse("2026-01-01T10:00:00Z");
  const event = (name: string, lastTimestamp: string, creationTimestamp = "2026-01-01T01:00:00Z"): KubeObject => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: "default", creationTimestamp },
    lastTimestamp,
  });
  store.create("/events", event("old", "2026-01-01T08:59:59Z"));
  store.create("/events", event("recent", "2026-01-01T09:30:00Z"));
  store.create("/events", event("told late", "2020-01-01T00:00:00Z", "2026-01-01T09:30:00Z"));
  expireEvents(store, now);
  expect(store.list("/events").map(({ object }) => object.metadata.name)).toEqual(["recent", "told late"]);
  store.close();
});
