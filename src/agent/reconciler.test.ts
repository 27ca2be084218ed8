import { expect, test } from "vitest";
import type { IpcacheEntry } from "../datapath/port.ts";
import { toLabels } from "../model/label.ts";
import { type Endpoint, newEndpoint } from "./endpoint.ts";
import { IdentityTable } from "./identity-table.ts";
import { IpcacheSources } from "./ipcache-sources.ts";
import { Reconciler } from "./reconciler.ts";
import type { Regeneration } from "./regeneration.ts";

const LABELS = toLabels([{ source: "k8s", key: "app", value: "a" }]);
const CLAIM = { addresses: ["172.20.2.5"], nodeAddress: "192.168.10.102", createdAt: "" };

function setUp(inKernel: ReadonlyMap<string, IpcacheEntry> = new Map()) {
  const steps: string[] = [];
  const sources = new IpcacheSources("192.168.10.101");
  const identities = new IdentityTable({
    upsertIdentity: (id) => steps.push(`learn ${id}`),
    removeIdentity: (id) => steps.push(`retire ${id}`),
  });
  const endpoint: Endpoint = newEndpoint(7, {} as Endpoint["request"], { state: "ready", message: "", at: 0 });
  endpoint.attached = true;
  endpoint.identity = 900;
  const regeneration = {
    regenerateAll: () => {
      steps.push("regenerate");
      return [Promise.resolve()];
    },
  } as unknown as Regeneration;
  const reconciler = new Reconciler({
    datapath: {
      upsertIpcache: (prefix, entry) => steps.push(`grant ${prefix} ${entry.identity}`),
      deleteIpcache: (prefix) => steps.push(`withdraw ${prefix}`),
      listIpcache: () => inKernel,
    },
    sources,
    identities,
    regeneration,
    endpoints: () => [endpoint],
    prepare: () => false,
    writeDerived: () => undefined,
    updateHost: () => undefined,
    ipcacheChanged: () => undefined,
    failed: () => undefined,
    unfinished: () => undefined,
  });
  return { steps, sources, identities, reconciler };
}

test("nothing happens before the inputs are complete, then stale entries go, policies come, and entries last", () => {
  const { steps, sources, identities, reconciler } = setUp(new Map([["172.20.9.9/32", { identity: 555 }]]));
  identities.learn(300, LABELS);
  sources.claim("default/a", { ...CLAIM, identity: 300 });
  reconciler.flush();
  expect(steps).toEqual(["learn 300"]);
  reconciler.open();
  expect(steps).toEqual(["learn 300", "withdraw 172.20.9.9/32", "regenerate", "grant 172.20.2.5/32 300"]);
});

test("an address waits for its identity and loses the one of its earlier owner at once", () => {
  const { steps, sources, identities, reconciler } = setUp();
  identities.learn(300, LABELS);
  sources.claim("default/a", { ...CLAIM, identity: 300 });
  reconciler.open();
  steps.length = 0;
  sources.claim("default/a", undefined);
  sources.claim("default/b", { ...CLAIM, identity: 301 });
  reconciler.flush();
  expect(steps).toEqual(["withdraw 172.20.2.5/32"]);
  identities.learn(301, LABELS);
  reconciler.regenerateAll();
  reconciler.flush();
  expect(steps.slice(1)).toEqual(["learn 301", "regenerate", "grant 172.20.2.5/32 301"]);
});

test("a collected identity stays in the policies until no address has it", () => {
  const { steps, sources, identities, reconciler } = setUp();
  identities.learn(300, LABELS);
  sources.claim("default/a", { ...CLAIM, identity: 300 });
  reconciler.open();
  steps.length = 0;
  identities.forget(300);
  reconciler.flush();
  expect(steps).toEqual([]);
  sources.claim("default/a", undefined);
  reconciler.flush();
  expect(steps).toEqual(["withdraw 172.20.2.5/32", "retire 300", "regenerate"]);
});

test("events of one turn make one pass", async () => {
  const { steps, reconciler } = setUp();
  reconciler.open();
  steps.length = 0;
  for (let count = 0; count < 5; count++) reconciler.regenerateAll();
  await Promise.resolve();
  expect(steps).toEqual(["regenerate"]);
});
