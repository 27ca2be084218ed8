import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../../kube/object.ts";
import { hasEnded, isReady, numberOf, objectsOf, specOf, statusOf, stays } from "../objects.ts";

export interface Port {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** An address family, as services and slices name it. */
export type Family = "IPv4" | "IPv6";

/** The family of an address that the API has accepted. */
export const familyOf = (address: unknown): Family => (String(address).includes(":") ? "IPv6" : "IPv4");

/** The families of a service, its first one first. An API server that does not fill them in has IPv4 or says by address. */
export function familiesOf(service: KubeObject): readonly Family[] {
  const { ipFamilies, clusterIP } = specOf(service);
  const named = listOf(ipFamilies).filter((family) => family === "IPv4" || family === "IPv6");
  return named.length > 0 ? named : [familyOf(clusterIP)];
}

/** One pod behind a service, with its address of one family. */
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

/** The pod's addresses of all families; status.podIP alone is what kubelets of one family may write. */
export function podAddresses(pod: KubeObject): readonly string[] {
  const { podIP, podIPs } = statusOf(pod);
  const listed = objectsOf(podIPs).flatMap(({ ip }) => (ip ? [String(ip)] : []));
  return listed.length > 0 || !podIP ? listed : [String(podIP)];
}

function backend(service: KubeObject, pod: KubeObject, ip: string): Backend {
  const spec = specOf(pod);
  const serving = isReady(pod);
  const terminating = !stays(pod);
  const always = specOf(service).publishNotReadyAddresses === true;
  return {
    pod,
    ip,
    nodeName: spec.nodeName ? String(spec.nodeName) : undefined,
    hostname: spec.hostname && spec.subdomain === service.metadata.name ? String(spec.hostname) : undefined,
    ready: always || (serving && !terminating),
    serving,
    terminating,
    ports: portsOf(pod, service),
  };
}

/** The pods of a service that have an address of the family and have not ended, in order of these addresses. */
export function backendsOf(service: KubeObject, pods: readonly KubeObject[], family: Family): Backend[] {
  const selector = Object.entries(fieldsOf(specOf(service).selector));
  const isChosen = (pod: KubeObject) => {
    const labels = pod.metadata.labels ?? {};
    return selector.every(([key, value]) => labels[key] === value) && !hasEnded(pod);
  };
  const chosen = pods.filter(isChosen).flatMap((pod) => {
    const ip = podAddresses(pod).find((address) => familyOf(address) === family);
    return ip === undefined ? [] : [backend(service, pod, ip)];
  });
  return chosen.sort((a, b) => (a.ip < b.ip ? -1 : 1));
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
