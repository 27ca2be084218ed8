import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../kube/object.ts";
import type { ControllerContext } from "../context.ts";
import { ownedBy, pod, thing } from "../test-objects.ts";
import { isStale } from "./endpoint-collection.ts";
import { UnusedIdentities, usedIdentities } from "./identity-collection.ts";
import { nextStatus, startPolicyStatus } from "./policy-status.ts";

describe("identities", () => {
  const endpoint = thing("CiliumEndpoint", "a", { status: { identity: { id: 318 } } });

  test("one that no endpoint has may go after its grace, and a use in between starts it anew", () => {
    const unused = new UnusedIdentities();
    const used = usedIdentities([endpoint]);
    for (const id of ["318", "319"]) unused.observe(id, used.has(id), 0);
    expect([unused.dueIn("318", 60, 10), unused.dueIn("319", 60, 10), unused.dueIn("319", 60, 70)]).toEqual([
      undefined,
      50,
      0,
    ]);
    unused.observe("319", true, 20);
    unused.observe("319", false, 30);
    expect(unused.dueIn("319", 60, 70)).toBe(20);
  });

  test("one that was deleted and made again gets its whole grace", () => {
    const unused = new UnusedIdentities();
    unused.observe("319", false, 0);
    unused.forget("319");
    unused.observe("319", false, 20);
    expect(unused.dueIn("319", 60, 30)).toBe(50);
  });
});

test("an endpoint is stale when its pod is gone, ended, or another one of the same name", () => {
  const owner = pod("a");
  const endpoint = thing("CiliumEndpoint", "a", { meta: ownedBy(owner) });
  expect(isStale(endpoint, owner)).toBe(false);
  expect(isStale(endpoint, undefined)).toBe(true);
  expect(isStale(endpoint, pod("a", { phase: "Failed" }))).toBe(true);
  expect(isStale(endpoint, pod("a", { meta: { uid: "another" } }))).toBe(true);
});

describe("a policy's condition Valid", () => {
  const AT = "2026-01-01T01:00:00Z";
  const policy = thing("CiliumNetworkPolicy", "rule1", { status: { derivativePolicies: {} } });

  test("says what the validator says, and keeps the rest of the status", () => {
    expect(nextStatus(policy, { ok: false, errors: ["no rule", "bad port"] }, AT)).toEqual({
      derivativePolicies: {},
      conditions: [{ type: "Valid", status: "False", message: "no rule; bad port", lastTransitionTime: AT }],
    });
  });

  test("is judged a moment after the agents heard of the policy, and once for each content", async () => {
    const handlers: { onAdd: (policy: KubeObject) => void; onUpdate: (old: KubeObject, now: KubeObject) => void }[] =
      [];
    const waits: number[] = [];
    let work: (key: string) => Promise<void> = async () => {};
    const context = {
      now: () => 0,
      cache: () => ({ on: (handler: (typeof handlers)[0]) => handlers.push(handler), get: () => policy }),
      queue: (_: string, sync: typeof work) => {
        work = sync;
        return { addAfter: (_key: string, ms: number) => waits.push(ms) };
      },
      updateStatus: async () => policy,
    };
    startPolicyStatus(context as unknown as ControllerContext, () => ({ ok: true }));
    handlers[1]!.onAdd(policy);
    await work("default/rule1");
    handlers[1]!.onUpdate(policy, { ...policy, status: {} });
    handlers[1]!.onUpdate(policy, { ...policy, spec: { changed: true } });
    expect([waits.length, waits.every((ms) => ms > 0)]).toEqual([2, true]);
  });

  test("is written once", () => {
    const status = nextStatus(policy, { ok: true }, AT)!;
    expect(nextStatus({ ...policy, status }, { ok: true }, "2026-01-01T02:00:00Z")).toBeUndefined();
  });
});
