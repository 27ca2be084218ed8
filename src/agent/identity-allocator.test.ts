import { expect, test } from "vitest";
import { FakeKube } from "../../test/support/fake-kube.ts";
import { CiliumIdentities } from "../kube/resources.ts";
import { toLabels } from "../model/label.ts";
import { IdentityAllocator, securityLabels } from "./identity-allocator.ts";

const EMPIRE = toLabels([{ source: "k8s", key: "org", value: "empire" }]);
const ALLIANCE = toLabels([{ source: "k8s", key: "org", value: "alliance" }]);

function allocator(kube: FakeKube) {
  return new IdentityAllocator({ client: kube, cached: () => undefined, candidates: () => [300, 301, 302] });
}

function taken(kube: FakeKube, id: number, labels: typeof EMPIRE): void {
  kube.put(CiliumIdentities, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumIdentity",
    metadata: { name: String(id) },
    "security-labels": securityLabels(labels),
  });
}

test("the first number is taken by creating the object, with the labels as its truth", async () => {
  const kube = new FakeKube();
  expect(await allocator(kube).allocate(EMPIRE)).toBe(300);
  expect(kube.peek(CiliumIdentities, "300")).toMatchObject({
    "security-labels": { "k8s:org": "empire" },
    metadata: { labels: { org: "empire" } },
  });
});

test("a number taken by other labels is passed over, one taken by the same labels is shared", async () => {
  const kube = new FakeKube();
  taken(kube, 300, ALLIANCE);
  taken(kube, 301, EMPIRE);
  expect(await allocator(kube).allocate(EMPIRE)).toBe(301);
});

test("two agents that race for the same number end with different labels on different numbers", async () => {
  const kube = new FakeKube();
  const [empire, alliance] = await Promise.all([allocator(kube).allocate(EMPIRE), allocator(kube).allocate(ALLIANCE)]);
  expect(new Set([empire, alliance])).toEqual(new Set([300, 301]));
});

test("concurrent callers with the same labels make one call", async () => {
  const kube = new FakeKube();
  const one = allocator(kube);
  expect(await Promise.all([one.allocate(EMPIRE), one.allocate(EMPIRE)])).toEqual([300, 300]);
  expect(kube.calls).toEqual(["create ciliumidentities 300"]);
});

test("the API's failure is the caller's", async () => {
  const kube = new FakeKube();
  kube.away = true;
  await expect(allocator(kube).allocate(EMPIRE)).rejects.toThrow("ECONNREFUSED");
});
