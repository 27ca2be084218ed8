import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import { hasEnded, isReady, numberOf, objectsOf, specOf, statusOf, stays } from "../objects.ts";

export interface Port {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** One pod behind a service. */
export interface Backend {
  readonly pod: KubeObject;
  readonly ip: string;
  readonly nodeName: string | undefined;
  readonly hostname: string | undefined;
  /** Takes new connections. */
  readonly ready: boolean;
  /** Passes its readiness check, also while it is ending. */
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly ports: readonly Port[];
}

function containerPort(pod: KubeObject, name: string, protocol: string): number | undefined {
  const ports = objectsOf(specOf(pod).containers).flatMap((container) => objectsOf(container.ports));
  const found = ports.find((port) => port.name === name && (port.protocol ?? "TCP") === protocol);
  return found && numberOf(found.containerPort);
}

/** The number that a service's port has on one pod; undefined when the pod has no port of that name. */
export function targetPort(pod: KubeObject, port: Fields): number | undefined {
  const target = port.targetPort;
  if (typeof target === "string") return containerPort(pod, target, String(port.protocol ?? "TCP"));
  return typeof target === "number" && target > 0 ? target : numberOf(port.port);
}

function portsOf(pod: KubeObject, service: KubeObject): Port[] {
  return objectsOf(specOf(service).ports).flatMap((port) => {
    const number = targetPort(pod, port);
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    const more = appProtocol ? { appProtocol: String(appProtocol) } : {};
    return [{ name: String(name), port: number, protocol: String(protocol), ...more }];
  });
}

function backend(service: KubeObject, pod: KubeObject): Backend {
  const spec = specOf(pod);
  const serving = isReady(pod);
  const terminating = !stays(pod);
  const always = specOf(service).publishNotReadyAddresses === true;
  return {
    pod,
    ip: String(statusOf(pod).podIP),
    nodeName: spec.nodeName ? String(spec.nodeName) : undefined,
    hostname: spec.hostname && spec.subdomain === service.metadata.name ? String(spec.hostname) : undefined,
    ready: always || (serving && !terminating),
    serving,
    terminating,
    ports: portsOf(pod, service),
  };
}

/** The pods of a service that have an address and have not ended, in order of their addresses. */
export function backendsOf(service: KubeObject, pods: readonly KubeObject[]): Backend[] {
  const selector = Object.entries(fieldsOf(specOf(service).selector));
  const chosen = pods.filter((pod) => {
    const labels = pod.metadata.labels ?? {};
    return selector.every(([key, value]) => labels[key] === value) && statusOf(pod).podIP && !hasEnded(pod);
  });
  return chosen.map((pod) => backend(service, pod)).sort((a, b) => (a.ip < b.ip ? -1 : 1));
}

/** What an address points back at. */
export function targetReference({ pod }: Backend): Fields {
  const { name, namespace, uid } = pod.metadata;
  return { kind: "Pod", name, namespace, uid };
}

/** Groups by equal ports, in the order of their first member. */
export function byPorts(backends: readonly Backend[]): Map<string, Backend[]> {
  const groups = new Map<string, Backend[]>();
  for (const item of backends) {
    const key = JSON.stringify(item.ports);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}
