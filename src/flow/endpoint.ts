import { create } from "@bufbuild/protobuf";
import { type Endpoint, type Service, ServiceSchema, type Workload } from "../../proto/gen/flow_pb.js";
import { CLUSTER_LABEL } from "../model/identity.ts";
import type { EndpointFacts, FlowContext } from "./context.ts";
import { newEndpoint, SharedMessages } from "./messages.ts";

/** One end of a flow before it is named. */
export interface FlowEnd {
  readonly address: string;
  readonly port: number;
  /** Identity that the event gives, 0 = it gives none. */
  readonly identity: number;
  /** Endpoint id on this node that the event gives, 0 = none. */
  readonly endpointId: number;
}

type Workloads = EndpointFacts["workloads"];
const NO_WORKLOADS: Workload[] = Object.freeze([]) as unknown as Workload[];
const workloadMessages = new WeakMap<Workloads, Workload[]>();

function workloadsOf(workloads: Workloads): Workload[] {
  const known = workloadMessages.get(workloads);
  if (known !== undefined) return known;
  const made = workloads.map(({ name, kind }): Workload => ({ $typeName: "flow.Workload", name, kind }));
  workloadMessages.set(workloads, made);
  return made;
}

const CLUSTER = `k8s:${CLUSTER_LABEL}=`;
const clusters = new WeakMap<readonly string[], string>();

/** A pod's labels name its cluster; nodes and the world belong to none. */
function clusterOf(labels: readonly string[]): string {
  const known = clusters.get(labels);
  if (known !== undefined) return known;
  const found = labels.find((label) => label.startsWith(CLUSTER))?.slice(CLUSTER.length) ?? "";
  clusters.set(labels, found);
  return found;
}

const endpoints = new SharedMessages<Endpoint>();

/** Names one end: identity and id from the event where it has them, the rest from the agent's knowledge of the address. */
export function describeEndpoint(end: FlowEnd, context: FlowContext): Endpoint {
  const facts = end.address === "" ? undefined : context.endpointByAddress(end.address);
  const identity = end.identity || facts?.identity || (end.address === "" ? 0 : context.identityByAddress(end.address));
  const labels = context.labelsOfIdentity(identity) as string[];
  const ID = end.endpointId || facts?.id || 0;
  const { namespace = "", podName = "" } = facts ?? {};
  const workloads = facts ? workloadsOf(facts.workloads) : NO_WORKLOADS;
  return endpoints.of(
    end.address,
    (known) =>
      known.ID === ID &&
      known.identity === identity &&
      known.labels === labels &&
      known.podName === podName &&
      known.namespace === namespace &&
      known.workloads === workloads,
    () => newEndpoint({ ID, identity, clusterName: clusterOf(labels), namespace, labels, podName, workloads }),
  );
}

/** The service behind an address and port, if it is a frontend. */
export function describeService(end: FlowEnd, protocol: number, context: FlowContext): Service | undefined {
  if (end.address === "" || end.port === 0) return undefined;
  const service = context.serviceByFrontend(end.address, end.port, protocol);
  return service && create(ServiceSchema, { name: service.name, namespace: service.namespace });
}

/** DNS names that one end's local endpoint knows the other end by. */
export function namesKnownBy(observer: Endpoint, address: string, context: FlowContext): string[] {
  return observer.ID === 0 || address === "" ? [] : [...context.dnsNames(observer.ID, address)];
}
