import { expect, it } from "vitest";
import { policyAdvice, policyErrors } from "./policy-admission.ts";

const metadata = { name: "p", namespace: "default" };

function policy(egress: object): { kind: string } {
  const spec = { endpointSelector: {}, egress: [egress] };
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec } as { kind: string };
}

it("takes what can be enforced, and objects that are no policies", () => {
  expect(policyErrors(policy({ toEntities: ["world"] }))).toEqual([]);
  expect(policyErrors({ kind: "Pod" })).toEqual([]);
  expect(policyErrors({ kind: 1 })).toEqual([]);
});

it("refuses what the engine does not take, with the value and the mend", () => {
  const [error] = policyErrors(policy({ toEntities: ["mars"] }));
  expect(error).toMatchObject({ field: "spec.egress[0].toEntities[0]", reason: "FieldValueInvalid" });
  expect(error!.message).toMatch(/^Invalid value: "mars": unsupported entity.*; use one of/);
});

it("refuses what would be accepted and not enforced", () => {
  const guarded = { toEntities: ["world"], authentication: { mode: "required" } };
  expect(policyErrors(policy(guarded)).map(({ field }) => field)).toEqual(["spec.egress[0].authentication"]);
});

it("refuses a group of prefixes that cannot be read", () => {
  const group = { apiVersion: "cilium.io/v2", kind: "CiliumCIDRGroup", metadata: { name: "g" } };
  const fieldsOf = (externalCIDRs: string[]) =>
    policyErrors({ ...group, spec: { externalCIDRs } } as { kind: string }).map(({ field }) => field);
  expect(fieldsOf(["10.0.0.0/8"])).toEqual([]);
  expect(fieldsOf(["10.0.0.0"])).toEqual(["spec.externalCIDRs[0]"]);
});

it("keeps silent about the default deny of a NetworkPolicy, as Kubernetes does", () => {
  const closed = {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata },
    spec: { podSelector: {} },
  };
  const types = ["Ingress", "Egress"];
  expect(policyAdvice({ ...closed, spec: { podSelector: {}, policyTypes: types } } as { kind: string })).toEqual([]);
  expect(policyAdvice(policy({}))).toEqual([expect.stringContaining("it only turns default deny on for egress")]);
});

it("says what is accepted and means nothing", () => {
  expect(policyAdvice(policy({ toEntities: ["world"] }))).toEqual([]);
  expect(policyAdvice(policy({ toPorts: [{ ports: [] }] }))).toContain(
    "spec.egress[0].toPorts[0]: no ports: it matches nothing; write port 0 for every port",
  );
  const group = { apiVersion: "cilium.io/v2", kind: "CiliumCIDRGroup", metadata: { name: "g" } };
  expect(policyAdvice({ ...group, spec: { externalCIDRs: [] } } as { kind: string })).toHaveLength(1);
  expect(policyAdvice({ kind: "Pod" })).toEqual([]);
});
