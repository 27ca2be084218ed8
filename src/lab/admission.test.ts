import { expect, it } from "vitest";
import { admissionAdvice, admissionErrors } from "./admission.ts";

const container = { name: "c", image: "busybox" };

const described = (podSpec: object) => {
  const spec = { containers: [container], ...podSpec };
  const template = { spec };
  return [
    ["", { kind: "Pod", spec }],
    ...["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job"].map((kind) => [
      "spec.template.",
      { kind, spec: { template } },
    ]),
    ["spec.jobTemplate.spec.template.", { kind: "CronJob", spec: { jobTemplate: { spec: { template } } } }],
  ] as [string, { kind: string }][];
};

it("refuses what a pod cannot do without, wherever the pod is described", () => {
  for (const [prefix, object] of described({ hostNetwork: true })) {
    const [error] = admissionErrors(object);
    expect(error).toMatchObject({ field: `${prefix}spec.hostNetwork`, reason: "FieldValueNotSupported" });
    expect(admissionAdvice(object)).toEqual([]);
  }
});

it("takes what pods run without, and says that it has no effect", () => {
  const containers = [{ ...container, ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 81 }] }];
  for (const [prefix, object] of described({ securityContext: { fsGroup: 1000, runAsUser: 1000 }, containers })) {
    expect(admissionErrors(object)).toEqual([]);
    expect(admissionAdvice(object)).toEqual([
      expect.stringContaining(`${prefix}spec.securityContext.fsGroup: has no effect here: `),
      expect.stringContaining(`${prefix}spec.containers[0].ports[1].hostPort: has no effect here: `),
    ]);
  }
});

it("takes every type of service, and says which addresses will not come", () => {
  const service = (spec: object) => ({ kind: "Service", spec });
  expect(admissionAdvice(service({ type: "ExternalName", externalName: "example.com" }))).toEqual([]);
  expect(admissionAdvice(service({ type: "NodePort", externalIPs: [] }))).toEqual([]);
  const balanced = service({ type: "LoadBalancer", externalIPs: ["192.0.2.1"] });
  expect(admissionErrors(balanced)).toEqual([]);
  expect(admissionAdvice(balanced).map((text) => text.split(":")[0])).toEqual(["spec.type", "spec.externalIPs"]);
});

it("leaves policies to the engine", () => {
  const metadata = { name: "p", namespace: "default" };
  const policy = (egress: object) => ({
    kind: "CiliumNetworkPolicy",
    metadata,
    spec: { endpointSelector: {}, egress: [egress] },
  });
  expect(admissionErrors(policy({ toEntities: ["mars"] }))).toHaveLength(1);
  expect(admissionAdvice(policy({ toPorts: [{ ports: [] }] }))).not.toEqual([]);
});
