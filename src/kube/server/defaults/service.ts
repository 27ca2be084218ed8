import { NODE_PORT_RANGE, SERVICE_CIDR } from "../../../model/addresses.ts";
import { type Fields, fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { type FieldError, internalError, invalid } from "../../status.ts";
import type { Preparation } from "../kind.ts";
import { itemsOf, setDefault } from "./pod.ts";

const SERVICES = { group: "", resource: "services", kind: "Service" };
/** Kept for services that name their address, as Kubernetes does; the others are taken from above. */
const RESERVED_ADDRESSES = 256;

/** What Kubernetes fills into a service's spec. */
export function defaultService(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "type", "ClusterIP");
  setDefault(spec, "sessionAffinity", "None");
  if (spec.sessionAffinity === "ClientIP") {
    setDefault(spec, "sessionAffinityConfig", { clientIP: { timeoutSeconds: 10800 } });
  } else if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  for (const port of itemsOf(spec, "ports")) {
    setDefault(port, "protocol", "TCP");
    setDefault(port, "targetPort", port.port);
  }
  if (spec.type === "ExternalName") return;
  setDefault(spec, "internalTrafficPolicy", "Cluster");
  setDefault(spec, "ipFamilies", ["IPv4"]);
  setDefault(spec, "ipFamilyPolicy", "SingleStack");
  if (spec.type === "NodePort" || spec.type === "LoadBalancer") setDefault(spec, "externalTrafficPolicy", "Cluster");
  if (spec.type === "LoadBalancer") setDefault(spec, "allocateLoadBalancerNodePorts", true);
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}

function range(): { first: number; last: number } {
  const [base = "", bits = ""] = SERVICE_CIDR.split("/");
  const first = toNumber(base);
  return { first: first + 1, last: first + 2 ** (32 - Number(bits)) - 2 };
}

function problem(name: string, errors: readonly FieldError[]): Error {
  return invalid(SERVICES, name, errors);
}

function takenAddresses(preparation: Preparation): Set<string> {
  const taken = new Set<string>();
  for (const service of preparation.list("/services")) {
    const address = fieldsOf(service.spec).clusterIP;
    if (typeof address === "string") taken.add(address);
  }
  return taken;
}

function checkAddress(name: string, address: string, taken: ReadonlySet<string>): void {
  const refuse = (why: string) =>
    problem(name, [
      {
        field: "spec.clusterIPs",
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify([address])}: ${why}`,
      },
    ]);
  const octets = address.split(".");
  if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256)) {
    throw refuse("must be a valid IPv4 address: the lab's services are IPv4 only");
  }
  const { first, last } = range();
  const value = toNumber(address);
  if (value < first || value > last) {
    throw refuse(
      `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${SERVICE_CIDR}`,
    );
  }
  if (taken.has(address)) throw refuse(`failed to allocate IP ${address}: provided IP is already allocated`);
}

function freeAddress(taken: ReadonlySet<string>): string {
  const { first, last } = range();
  for (let value = first + RESERVED_ADDRESSES; value <= last; value++) {
    if (!taken.has(toAddress(value))) return toAddress(value);
  }
  throw internalError("failed to allocate a serviceIP: range is full");
}

function needsAddress(spec: Fields): boolean {
  return spec.type !== "ExternalName" && spec.clusterIP !== "None";
}

function allocateAddress(name: string, spec: Fields, preparation: Preparation): void {
  const listed = Array.isArray(spec.clusterIPs) ? spec.clusterIPs[0] : undefined;
  spec.clusterIP = spec.clusterIP || listed;
  if (spec.type === "ExternalName") {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    return;
  }
  if (needsAddress(spec)) {
    const taken = takenAddresses(preparation);
    if (typeof spec.clusterIP === "string") checkAddress(name, spec.clusterIP, taken);
    else spec.clusterIP = freeAddress(taken);
  }
  spec.clusterIPs = [spec.clusterIP];
}

/** TCP and UDP of one number are two ports. */
const nodePortKey = (protocol: unknown, number: unknown): string => `${protocol}/${number}`;

function takenNodePorts(preparation: Preparation, except: KubeObject): Set<string> {
  const others = preparation.list("/services").filter((service) => service.metadata.uid !== except.metadata.uid);
  const ports = others.flatMap((service) => itemsOf(fieldsOf(service.spec), "ports"));
  return new Set(
    ports.flatMap((port) => (port.nodePort === undefined ? [] : [nodePortKey(port.protocol, port.nodePort)])),
  );
}

function nodePortProblem(port: Fields, taken: ReadonlySet<string>): string | undefined {
  const { first, last } = NODE_PORT_RANGE;
  const number = Number(port.nodePort);
  if (number < first || number > last) {
    return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
  }
  return taken.has(nodePortKey(port.protocol, number)) ? "provided port is already allocated" : undefined;
}

function allocateNodePorts(object: KubeObject, preparation: Preparation): void {
  const spec = fieldsOf(object.spec);
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") return;
  const taken = takenNodePorts(preparation, object);
  itemsOf(spec, "ports").forEach((port, index) => {
    if (typeof port.nodePort === "number" && port.nodePort !== 0) {
      const why = nodePortProblem(port, taken);
      if (why !== undefined) {
        const message = `Invalid value: ${port.nodePort}: ${why}`;
        const field = `spec.ports[${index}].nodePort`;
        throw problem(object.metadata.name, [{ field, reason: "FieldValueInvalid", message }]);
      }
    } else {
      let free: number = NODE_PORT_RANGE.first;
      while (taken.has(nodePortKey(port.protocol, free)) && free <= NODE_PORT_RANGE.last) free++;
      if (free > NODE_PORT_RANGE.last) throw internalError("failed to allocate a nodePort: range is full");
      port.nodePort = free;
    }
    taken.add(nodePortKey(port.protocol, port.nodePort));
  });
}

/** Gives a new service its addresses and node ports. Throws 422 for those that are taken or out of range. */
export function prepareService(object: KubeObject, preparation: Preparation): void {
  const spec = fieldsOf(object.spec);
  allocateAddress(object.metadata.name, spec, preparation);
  allocateNodePorts(object, preparation);
  object.status = { loadBalancer: {} };
}

/** Keeps a service's address across updates, and gives one when its type begins to need one. */
export function prepareServiceUpdate(next: KubeObject, old: KubeObject, preparation: Preparation): void {
  const [spec, before] = [fieldsOf(next.spec), fieldsOf(old.spec)];
  if (needsAddress(spec) && needsAddress(before)) {
    setDefault(spec, "clusterIP", before.clusterIP);
    setDefault(spec, "clusterIPs", before.clusterIPs);
  } else if (spec.type === "ExternalName" || needsAddress(spec)) {
    allocateAddress(next.metadata.name, spec, preparation);
  } else {
    setDefault(spec, "clusterIPs", [spec.clusterIP]);
  }
  keepNodePorts(spec, before);
  allocateNodePorts(next, preparation);
}

/** What belongs to node ports goes with the type that had them, where the user did not set it anew. */
function keepNodePorts(spec: Fields, before: Fields): void {
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") {
    if (spec.externalTrafficPolicy === before.externalTrafficPolicy) delete spec.externalTrafficPolicy;
    for (const port of itemsOf(spec, "ports")) delete port.nodePort;
    return;
  }
  for (const port of itemsOf(spec, "ports")) {
    const same = itemsOf(before, "ports").find((other) => other.port === port.port && other.protocol === port.protocol);
    if (same?.nodePort !== undefined) setDefault(port, "nodePort", same.nodePort);
  }
}
