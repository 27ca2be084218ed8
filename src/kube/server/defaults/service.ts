import { NODE_PORT_RANGE } from "../../../model/addresses.ts";
import { type Fields, fieldsOf, isFields, type KubeObject, listOf } from "../../object.ts";
import { invalid as invalidValue } from "../../schema/field-error.ts";
import { internalError } from "../../status.ts";
import type { Preparation } from "../kind.ts";
import { giveAddresses, updateAddresses } from "./cluster-ips.ts";
import { itemsOf, setDefault } from "./pod.ts";
import { refuseService } from "./service-families.ts";

/** Whether a service is reached from outside the cluster: by ports of nodes, or by addresses of its own. */
function isOutside({ type, externalIPs }: Fields): boolean {
  return type === "NodePort" || type === "LoadBalancer" || (type === "ClusterIP" && listOf(externalIPs).length > 0);
}

/** What Kubernetes fills into a service's spec, whatever the cluster is; families and addresses come after it. */
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
    if (!port.targetPort) port.targetPort = port.port;
  }
  if (spec.type === "ExternalName") return;
  setDefault(spec, "internalTrafficPolicy", "Cluster");
  if (isOutside(spec)) setDefault(spec, "externalTrafficPolicy", "Cluster");
  if (spec.type !== "LoadBalancer") return;
  setDefault(spec, "allocateLoadBalancerNodePorts", true);
  for (const ingress of itemsOf(fieldsOf(fieldsOf(object.status).loadBalancer), "ingress"))
    if (ingress.ip) setDefault(ingress, "ipMode", "VIP");
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
        refuseService(object.metadata.name, [invalidValue(`spec.ports[${index}].nodePort`, port.nodePort, why)]);
      }
    } else if (spec.allocateLoadBalancerNodePorts !== false) {
      let free: number = NODE_PORT_RANGE.first;
      while (taken.has(nodePortKey(port.protocol, free)) && free <= NODE_PORT_RANGE.last) free++;
      if (free > NODE_PORT_RANGE.last) throw internalError("failed to allocate a nodePort: range is full");
      port.nodePort = free;
    }
    if (port.nodePort !== undefined) taken.add(nodePortKey(port.protocol, port.nodePort));
  });
}

/** Gives a new service its addresses and node ports. Throws 422 for those that are taken or out of range. */
export function prepareService(object: KubeObject, preparation: Preparation): void {
  giveAddresses(object, preparation);
  allocateNodePorts(object, preparation);
  object.status = { loadBalancer: {} };
}

/** Keeps a service's addresses and node ports across updates, and gives those that it begins to need. Throws 422. */
export function prepareServiceUpdate(next: KubeObject, old: KubeObject, preparation: Preparation): void {
  updateAddresses(next, old, preparation);
  keepNodePorts(fieldsOf(next.spec), fieldsOf(old.spec));
  allocateNodePorts(next, preparation);
}

/** What belongs to node ports goes with the type that had them, where the user did not set it anew. */
function keepNodePorts(spec: Fields, before: Fields): void {
  if (spec.type !== "NodePort" && spec.type !== "LoadBalancer") {
    if (!isOutside(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy)
      delete spec.externalTrafficPolicy;
    for (const port of itemsOf(spec, "ports")) delete port.nodePort;
    return;
  }
  for (const port of itemsOf(spec, "ports")) {
    const same = itemsOf(before, "ports").find((other) => other.port === port.port && other.protocol === port.protocol);
    if (same?.nodePort !== undefined) setDefault(port, "nodePort", same.nodePort);
  }
}
