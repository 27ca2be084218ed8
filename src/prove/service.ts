import { parseAddress } from "../model/cidr.ts";
import { isObject } from "../policy/field.ts";
import type { ManifestObject, Problem } from "./manifest.ts";
import { fieldAt, textMap } from "./workload.ts";

/** One port of a service, and where it leads. */
export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
  /** A number, or the name of a port of the pods. */
  readonly targetPort: number | string;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty = the backends are given by address. */
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
  readonly clusterIPs: readonly string[];
  /** The name outside that the service stands for. */
  readonly externalName?: string;
  /** Takes traffic from outside the cluster: a NodePort or LoadBalancer. */
  readonly isExposed: boolean;
  readonly object: ManifestObject;
}

/** What is wrong with the service is added to `problems`. */
export function readService(object: ManifestObject, namespace: string, problems: Problem[]): Service {
  const spec = fieldAt(object.value, "spec");
  const { ports = [], clusterIP, clusterIPs, externalName, type } = isObject(spec) ? spec : {};
  const addresses = [clusterIP, ...(Array.isArray(clusterIPs) ? clusterIPs : [])].filter(isAddress);
  if (!isObject(spec)) say(object, "spec", "has no spec", problems);
  if (!Array.isArray(ports)) say(object, "spec.ports", "ports must be a list", problems);
  return {
    namespace,
    name: object.name,
    labels: textMap(object, "metadata.labels", problems),
    selector: textMap(object, "spec.selector", problems),
    ports: Array.isArray(ports) ? ports.flatMap((port, index) => readPort(port, index, object, problems)) : [],
    clusterIPs: [...new Set(addresses)],
    ...(type === "ExternalName" && typeof externalName === "string" ? { externalName } : {}),
    isExposed: type === "NodePort" || type === "LoadBalancer",
    object,
  };
}

function say(object: ManifestObject, field: string, message: string, problems: Problem[]): void {
  problems.push({ severity: "error", ...object.placeOf(field), message: `${object.kind} ${object.name}: ${message}` });
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && parseAddress(value) !== undefined;
}

function readPort(value: unknown, index: number, object: ManifestObject, problems: Problem[]): ServicePort[] {
  const { port, protocol = "TCP", targetPort, name } = isObject(value) ? value : {};
  if (typeof port !== "number" || typeof protocol !== "string") {
    say(object, `spec.ports[${index}]`, `not a port of a service: ${JSON.stringify(value)}`, problems);
    return [];
  }
  const target = typeof targetPort === "number" || typeof targetPort === "string" ? targetPort : port;
  const isDigits = typeof target === "string" && /^\d+$/.test(target);
  const named = typeof name === "string" ? { name } : {};
  return [{ port, protocol: protocol.toUpperCase(), targetPort: isDigits ? Number(target) : target, ...named }];
}

/** Addresses that an Endpoints or EndpointSlice object gives to its service, and the service's name. */
export function readBackends({ kind, name, value }: ManifestObject): { service: string; addresses: string[] } {
  if (kind === "Endpoints") {
    const subsets = Array.isArray(value["subsets"]) ? value["subsets"] : [];
    const all = subsets.flatMap((subset) => (fieldAt(subset, "addresses") as unknown[] | undefined) ?? []);
    return { service: name, addresses: all.map((each) => fieldAt(each, "ip")).filter(isAddress) };
  }
  const labels = fieldAt(value, "metadata.labels");
  const service = isObject(labels) ? labels["kubernetes.io/service-name"] : undefined;
  const endpoints = Array.isArray(value["endpoints"]) ? value["endpoints"] : [];
  const addresses = endpoints.flatMap((each) => (fieldAt(each, "addresses") as unknown[] | undefined) ?? []);
  return { service: typeof service === "string" ? service : name, addresses: addresses.filter(isAddress) };
}
