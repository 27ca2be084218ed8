/** Objects for tests of the controllers: small, complete enough, and different only where a test says so. */
import type { KubeObject } from "../kube/client/index.ts";
import type { Fields } from "../kube/object.ts";

export const NOW = Date.parse("2026-01-01T01:00:00Z");
const BEFORE = "2026-01-01T00:00:00Z";

type Meta = Partial<KubeObject["metadata"]>;

export function thing(
  kind: string,
  name: string,
  parts: { meta?: Meta; spec?: Fields; status?: Fields } = {},
): KubeObject {
  const { meta, spec = {}, status = {} } = parts;
  const metadata = {
    name,
    namespace: "default",
    uid: `uid-${name}`,
    creationTimestamp: BEFORE,
    generation: 1,
    ...meta,
  };
  return { apiVersion: "v1", kind, metadata, spec, status };
}

export function ownedBy(owner: KubeObject): Meta {
  const { name, uid = "" } = owner.metadata;
  const reference = { apiVersion: "apps/v1", kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
  return { ownerReferences: [reference] };
}

/** A pod; running and ready unless said otherwise. */
export function pod(
  name: string,
  parts: { meta?: Meta; spec?: Fields; ready?: boolean; phase?: string; ip?: string; ip6?: string } = {},
): KubeObject {
  const { meta, spec, ready = true, phase = "Running", ip = "172.20.1.1", ip6 } = parts;
  const podIPs = [{ ip }, ...(ip6 ? [{ ip: ip6 }] : [])];
  const conditions = [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: BEFORE }];
  return thing("Pod", name, {
    ...(meta ? { meta } : {}),
    spec: { nodeName: "k8s-w1", containers: [{ name: "a", image: "x" }], ...spec },
    status: { phase, podIP: ip, podIPs, conditions },
  });
}

export function node(name: string, spec: Fields = {}, labels: Record<string, string> = {}): KubeObject {
  return thing("Node", name, {
    meta: { labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", ...labels } },
    spec,
    status: { conditions: [{ type: "Ready", status: "True" }], allocatable: { cpu: "2", memory: "4Gi", pods: "110" } },
  });
}

export const CONTROL_PLANE_TAINT = { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" };
