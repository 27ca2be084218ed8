import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../object.ts";
import { KubeError } from "../../status.ts";
import { declareKind } from "../kind.ts";
import { applyConfiguration } from "./apply.ts";
import { mergePatch } from "./merge-patch.ts";
import { strategicMerge } from "./strategic-merge.ts";
import { checkConfiguration } from "./typed.ts";

const POD = declareKind({ group: "", version: "v1", kind: "Pod", resource: "pods", namespaced: true });
const merge = (target: object, patch: object) => strategicMerge(POD, { ...target }, { ...patch });

describe("mergePatch", () => {
  it("merges objects, removes at null, replaces lists", () => {
    expect(mergePatch({ a: { b: 1, c: 2 }, d: [1, 2] }, { a: { b: null, e: 3 }, d: [3] })).toEqual({
      a: { c: 2, e: 3 },
      d: [3],
    });
  });
});

describe("strategicMerge", () => {
  const pod = {
    spec: {
      containers: [
        { name: "a", image: "1", args: ["x"], env: [{ name: "E", value: "1" }] },
        { name: "b", image: "1" },
      ],
    },
    metadata: { finalizers: ["one", "two"] },
  };

  it("merges list items by their key and replaces other lists", () => {
    const patch = { spec: { containers: [{ name: "a", args: ["y"], env: [{ name: "F", value: "2" }] }] } };
    expect(merge(pod, patch).spec).toEqual({
      containers: [
        {
          name: "a",
          image: "1",
          args: ["y"],
          // what a patch adds comes first, as from Kubernetes' own library
          env: [
            { name: "F", value: "2" },
            { name: "E", value: "1" },
          ],
        },
        { name: "b", image: "1" },
      ],
    });
  });

  it("follows $patch, $deleteFromPrimitiveList, $setElementOrder and $retainKeys", () => {
    expect(merge(pod, { spec: { containers: [{ name: "a", $patch: "delete" }] } }).spec).toEqual({
      containers: [{ name: "b", image: "1" }],
    });
    const addresses = [
      { type: "InternalIP", address: "192.168.10.100" },
      { type: "InternalIP", address: "fd00::100" },
    ];
    const node = declareKind({ group: "", version: "v1", kind: "Node", resource: "nodes", namespaced: false });
    const patched = strategicMerge(
      node,
      { status: { addresses } },
      { status: { addresses: [{ $patch: "replace" }, ...addresses] } },
    );
    expect(patched).toEqual({ status: { addresses } });
    expect(merge(pod, { spec: { containers: [{ $patch: "replace" }, { name: "c" }] } }).spec).toEqual({
      containers: [{ name: "c" }],
    });
    expect(merge(pod, { metadata: { "$deleteFromPrimitiveList/finalizers": ["one"] } }).metadata).toEqual({
      finalizers: ["two"],
    });
    const ordered = merge(pod, {
      spec: {
        "$setElementOrder/containers": [{ name: "c" }, { name: "b" }, { name: "a" }],
        containers: [{ name: "c", image: "2" }],
      },
    });
    const names = (ordered.spec as { containers: { name: string }[] }).containers.map(({ name }) => name);
    expect(names).toEqual(["c", "b", "a"]);
    const strategy = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
    expect(merge(strategy, { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } }).spec).toEqual({
      strategy: { type: "Recreate" },
    });
  });

  it("refuses an item without its key", () => {
    expect(() => merge(pod, { spec: { containers: [{ image: "2" }] } })).toThrow(/declared merge key: name/);
  });
});

describe("applyConfiguration", () => {
  const wanted = (spec: object): KubeObject =>
    ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec }) as KubeObject;
  const how = (manager: string, force = false) => ({ manager, force, subresource: "", now: 0 });
  const live = () =>
    applyConfiguration(
      POD,
      wanted({}),
      wanted({ hostname: "h", containers: [{ name: "a", image: "1", ports: [{ containerPort: 80 }] }] }),
      how("one"),
    );

  it("takes away what its manager no longer wants", () => {
    const next = applyConfiguration(POD, live(), wanted({ containers: [{ name: "a", image: "2" }] }), how("one"));
    expect(next.spec).toEqual({ containers: [{ name: "a", image: "2" }] });
  });

  it("conflicts on another manager's value, and takes it over when forced", () => {
    const other = wanted({ hostname: "x" });
    const failure = (() => {
      try {
        applyConfiguration(POD, live(), other, how("two"));
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(failure).toBeInstanceOf(KubeError);
    expect((failure as KubeError).message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.hostname');
    const forced = applyConfiguration(POD, live(), other, how("two", true));
    expect(forced.spec).toMatchObject({ hostname: "x" });
    // The first manager lost the field: dropping it takes nothing away.
    const after = applyConfiguration(POD, forced, wanted({ containers: [{ name: "a", image: "1" }] }), how("one"));
    expect(after.spec).toMatchObject({ hostname: "x" });
  });

  it("shares a field that two managers set to the same value", () => {
    const shared = applyConfiguration(POD, live(), wanted({ hostname: "h" }), how("two"));
    const after = applyConfiguration(POD, shared, wanted({}), how("one"));
    expect(after.spec).toEqual({ hostname: "h" });
  });

  it("knows a port with and without its default protocol as the same", () => {
    const stored = structuredClone(live()) as {
      spec: { containers: { ports: { protocol?: string }[] }[] };
    } & KubeObject;
    stored.spec.containers[0]!.ports[0]!.protocol = "TCP";
    const same = wanted({ hostname: "h", containers: [{ name: "a", image: "1", ports: [{ containerPort: 80 }] }] });
    const next = applyConfiguration(POD, stored, same, how("one"));
    expect(next.spec).toEqual(stored.spec);
  });
});

describe("a configuration to apply", () => {
  const pod = (spec: object): KubeObject => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec });
  const said = (spec: object): string => {
    try {
      checkConfiguration(POD, pod(spec));
      return "";
    } catch (error) {
      return (error as Error).message.replace(/^.*Kind=Pod\): /, "");
    }
  };

  it("must be one that its schema can merge", () => {
    expect(said({ containers: [{ name: "a", ports: [{ containerPort: 80 }] }] })).toBe("");
    expect(said({ containers: [{ name: "a", wrong: 1 }] })).toBe(
      '.spec.containers[name="a"].wrong: field not declared in schema',
    );
    expect(said({ containers: [{ name: "a" }, { name: "a" }] })).toBe(
      '.spec.containers: duplicate entries for key [name="a"]',
    );
    const twice = [{ containerPort: 80 }, { containerPort: 80, protocol: "TCP" }];
    expect(said({ containers: [{ name: "a", ports: twice }] })).toContain(
      'duplicate entries for key [containerPort=80,protocol="TCP"]',
    );
    expect(said({ containers: {} })).toBe(".spec.containers: expected list");
  });

  it("orders a list as it says, and leaves others' items where they stood", () => {
    const live = applyConfiguration(POD, pod({}), pod({ containers: [{ name: "a" }, { name: "x" }, { name: "b" }] }), {
      manager: "one",
      force: false,
      subresource: "",
      now: 0,
    });
    const wanted = pod({ containers: [{ name: "b" }, { name: "new" }, { name: "a" }] });
    const next = applyConfiguration(POD, live, wanted, { manager: "two", force: false, subresource: "", now: 0 });
    const names = (next.spec as { containers: { name: string }[] }).containers.map(({ name }) => name);
    expect(names).toEqual(["x", "b", "new", "a"]);
  });
});

describe("going over from client-side apply", () => {
  const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";
  const pod = (spec: object): KubeObject => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec });
  const how = { manager: "kubectl", force: false, subresource: "", now: 0 };
  const live = (spec: object, applied: object): KubeObject => ({
    ...pod(spec),
    metadata: { name: "p", uid: "u", annotations: { [ANNOTATION]: JSON.stringify(pod(applied)) } },
  });

  it("kubectl may change what it applied, and the annotation follows", () => {
    const next = applyConfiguration(POD, live({ hostname: "a" }, { hostname: "a" }), pod({ hostname: "b" }), how);
    expect(next["spec"]).toEqual({ hostname: "b" });
    expect(JSON.parse(next.metadata.annotations![ANNOTATION]!)).toMatchObject({ spec: { hostname: "b" } });
    const managers = next.metadata.managedFields!.map((entry) => entry.manager);
    expect(managers).toEqual(["kubectl", "before-first-apply"]);
  });

  it("not what somebody changed since, nor may others", () => {
    const changed = () => live({ hostname: "x" }, { hostname: "a" });
    expect(() => applyConfiguration(POD, changed(), pod({ hostname: "b" }), how)).toThrow("before-first-apply");
    const same = live({ hostname: "a" }, { hostname: "a" });
    const other = { ...how, manager: "other" };
    expect(() => applyConfiguration(POD, same, pod({ hostname: "b" }), other)).toThrow("before-first-apply");
  });

  it("an annotation that cannot be read says nothing", () => {
    const odd = live({ hostname: "a" }, {});
    odd.metadata.annotations![ANNOTATION] = "{";
    expect(() => applyConfiguration(POD, odd, pod({ hostname: "b" }), how)).toThrow("before-first-apply");
  });
});
