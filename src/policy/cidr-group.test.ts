import { describe, expect, it } from "vitest";
import { parseCidrGroup } from "./cidr-group.ts";

function group(spec: unknown, more: object = {}): unknown {
  return { apiVersion: "cilium.io/v2", kind: "CiliumCIDRGroup", metadata: { name: "g" }, spec, ...more };
}

describe("a CIDR group", () => {
  it("keeps its prefixes masked and once, and the labels that are not Cilium's own", () => {
    const labels = { team: "a", "io.cilium.policy/x": "b", "io.cilium.k8s.y": "c" };
    const written = group(
      { externalCIDRs: ["10.1.2.3/8", "10.0.0.0/8", "fd00::1/16"] },
      { apiVersion: "cilium.io/v2alpha1", metadata: { name: "g", labels } },
    );
    expect(parseCidrGroup(written)).toEqual({
      ok: true,
      group: { name: "g", labels: { team: "a" }, cidrs: ["10.0.0.0/8", "fd00::/16"] },
      warnings: [],
    });
  });

  it("warns when it is empty", () => {
    const parsed = parseCidrGroup(group({ externalCIDRs: [] }));
    expect(parsed.ok && parsed.warnings.map(({ field }) => field)).toEqual(["spec.externalCIDRs"]);
  });

  it.each<[string, unknown]>([
    ["spec", group(undefined)],
    ["spec.externalCIDRs", group({})],
    ["spec.externalCIDRs[1]", group({ externalCIDRs: ["10.0.0.0/8", "10.0.0.1"] })],
    ["spec.x", group({ externalCIDRs: [], x: 1 })],
    ["metadata.name", group({ externalCIDRs: [] }, { metadata: {} })],
    ["metadata.labels", group({ externalCIDRs: [] }, { metadata: { name: "g", labels: [] } })],
    ["apiVersion", group({ externalCIDRs: [] }, { apiVersion: "cilium.io/v3" })],
    ["kind", group({ externalCIDRs: [] }, { kind: "CiliumNetworkPolicy" })],
    ["", 1],
  ])("is refused for %s", (field, object) => {
    const parsed = parseCidrGroup(object);
    expect(parsed.ok ? [] : parsed.errors.map((error) => error.field)).toContain(field);
  });
});
