import { parseCidr } from "../model/cidr.ts";
import { CLUSTER_LABEL, NAMESPACE_LABEL } from "../model/identity.ts";
import { type Label, toLabels } from "../model/label.ts";
import { cidrSelector, labelSelector, requirement, type Selector, selects } from "../model/selector.ts";
import type { ServicePeer } from "./rule.ts";

/** What `toServices` needs to know of a Service. */
export interface ServiceFacts {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent or empty = the backends are given by address. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Addresses behind a service without a selector. */
  readonly backends?: readonly string[];
}

function labelsOf({ labels = {} }: ServiceFacts): ReturnType<typeof toLabels> {
  return toLabels(Object.entries(labels).map(([key, value]): Label => ({ source: "k8s", key, value })));
}

function isMeant(peer: ServicePeer, service: ServiceFacts): boolean {
  if (peer.namespace !== "" && peer.namespace !== service.namespace) return false;
  if (peer.selector !== undefined) return selects(peer.selector, labelsOf(service));
  return peer.name === service.name;
}

function backendsOf({ namespace, selector = {}, backends = [] }: ServiceFacts, cluster: string): Selector[] {
  const keys = Object.entries(selector);
  if (keys.length === 0) {
    return backends.flatMap((address) => {
      const cidr = parseCidr(address);
      return cidr === undefined ? [] : [cidrSelector(cidr)];
    });
  }
  const requirements = keys.map(([key, value]) => requirement(`k8s:${key}`, "In", [value]));
  const scope = [requirement(`k8s:${NAMESPACE_LABEL}`, "In", [namespace])];
  if (cluster !== "") scope.push(requirement(`k8s:${CLUSTER_LABEL}`, "In", [cluster]));
  return [labelSelector([...requirements, ...scope])];
}

/** Whom the peer means, among these services: pods that they select, or addresses outside. None = nobody. */
export function selectorsOfService(peer: ServicePeer, services: Iterable<ServiceFacts>): Selector[] {
  return [...services]
    .filter((service) => isMeant(peer, service))
    .flatMap((service) => backendsOf(service, peer.cluster));
}
