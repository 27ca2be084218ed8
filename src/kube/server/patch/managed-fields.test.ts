import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../object.ts";
import { declareKind, statusOf } from "../kind.ts";
import { toFieldsV1 } from "./field-set.ts";
import { managersAfterWrite, writeManagers } from "./managed-fields.ts";

const CONFIG = declareKind({ group: "", version: "v1", kind: "ConfigMap", resource: "configmaps", namespaced: true });
const POD = declareKind({
  ...{ group: "", version: "v1", kind: "Pod", resource: "pods", namespaced: true },
  subresources: [statusOf("Pod")],
});

const settings = (data: Record<string, string>, labels?: Record<string, string>): KubeObject => ({
  ...{ apiVersion: "v1", kind: "ConfigMap", data },
  metadata: { name: "c", ...(labels ? { labels } : {}) },
});

/** The object after a write by somebody, with its managers. */
function written(old: KubeObject | undefined, next: KubeObject, manager: string, second = 0): KubeObject {
  const copy = structuredClone(next);
  writeManagers(copy, managersAfterWrite(CONFIG, old, copy, { manager, subresource: "", now: second * 1000 }));
  return copy;
}

const owned = ({ metadata }: KubeObject): unknown =>
  Object.fromEntries((metadata.managedFields ?? []).map(({ manager, fieldsV1 }) => [manager, fieldsV1]));

describe("managersAfterWrite", () => {
  it("begins with the first write, and what holds a field belongs to who made it", () => {
    const made = written(undefined, settings({ a: "1" }, { app: "x" }), "one");
    const fields = { "f:data": { ".": {}, "f:a": {} }, "f:metadata": { "f:labels": { ".": {}, "f:app": {} } } };
    expect(owned(made)).toEqual({ one: fields });
  });

  it("gives what changed to who changed it, and what is gone to nobody", () => {
    const made = written(undefined, settings({ a: "1", b: "1", c: "1" }), "one");
    const changed = written(made, settings({ a: "2", b: "1", d: "1" }), "two", 1);
    expect(owned(changed)).toEqual({
      one: { "f:data": { ".": {}, "f:b": {} } },
      two: { "f:data": { "f:a": {}, "f:d": {} } },
    });
  });

  it("changes nothing when nothing is changed, nor starts again where somebody dropped all", () => {
    const made = written(undefined, settings({ a: "1" }), "one");
    expect(written(made, settings({ a: "1" }), "two", 9).metadata.managedFields).toEqual(made.metadata.managedFields);
    const dropped = written(made, { ...settings({ a: "1" }), metadata: { name: "c", managedFields: [] } }, "two");
    expect(dropped.metadata.managedFields).toBeUndefined();
    expect(written(dropped, settings({ a: "2" }), "two").metadata.managedFields).toBeUndefined();
  });

  it("joins the oldest of more than ten", () => {
    let object = written(undefined, settings({ k0: "1" }), "m0");
    const data: Record<string, string> = { k0: "1" };
    for (let index = 1; index <= 11; index++) {
      data[`k${index}`] = "1";
      object = written(object, settings(data), `m${index}`, index);
    }
    const managers = object.metadata.managedFields!.map(({ manager }) => manager);
    expect(managers).toHaveLength(10);
    expect(managers[0]).toBe("ancient-changes");
    expect(owned(object)).toMatchObject({ "ancient-changes": { "f:data": { "f:k0": {}, "f:k1": {}, "f:k2": {} } } });
  });

  it("counts no status through the object, and nothing else through the status", () => {
    const pod = (phase: string, hostname: string): KubeObject => ({
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "p", uid: "u" } },
      ...{ spec: { hostname, containers: null }, status: { phase } },
    });
    const by = (subresource: string) => {
      const old = { ...pod("Pending", "a") };
      old.metadata.managedFields = [{ manager: "x", operation: "Update", apiVersion: "v1", fieldsType: "FieldsV1" }];
      const after = managersAfterWrite(POD, old, pod("Running", "b"), { manager: "m", subresource, now: 0 });
      return toFieldsV1(after.find(({ manager }) => manager === "m")!.fields);
    };
    expect(by("")).toEqual({ "f:spec": { "f:hostname": {} } });
    expect(by("status")).toEqual({ "f:status": { "f:phase": {} } });
  });
});
