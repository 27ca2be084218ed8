import { randomUUID } from "node:crypto";
import type { EndpointFacts, FlowContext, ServiceName } from "../flow/context.ts";
import type { Redaction } from "../flow/redaction.ts";
import { fieldsOf } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { formatLabels, type Labels } from "../model/label.ts";
import { nodeFullName } from "../model/node-name.ts";
import { podAddressesOf } from "./cilium-endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { KubeObject } from "./kube.ts";
import { requestRules } from "./request-rules.ts";
import type { RuleCookies } from "./rule-cookies.ts";
import { frontendKey, type NamedFrontend } from "./service-frontends.ts";
import { workloadOf } from "./workload.ts";

type Workloads = EndpointFacts["workloads"];
const NO_WORKLOADS: Workloads = [];

/** Remembers what was made of an object that never changes. */
function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = make(key);
    known.set(key, made);
    return made;
  };
}

const labelTexts = remembered<Labels, readonly string[]>(formatLabels);
const NO_LABELS: readonly string[] = [];
const nodeLabels = remembered<KubeObject, readonly string[]>(({ metadata }) =>
  Object.entries(metadata.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort(),
);

const workloadsOf = remembered<KubeObject, Workloads>((pod) => {
  const workload = workloadOf(pod);
  return workload === undefined ? NO_WORKLOADS : [workload];
});

/** CiliumEndpoints by the address of their pod. */
export class RemoteEndpoints {
  private readonly byAddress = new Map<string, EndpointFacts>();
  private readonly addressesOf = new Map<string, readonly string[]>();

  set(key: string, object: KubeObject): void {
    this.remove(key);
    const addresses = podAddressesOf(object);
    const { name, namespace } = object.metadata;
    const identity = Number(fieldsOf(fieldsOf(object.status).identity).id ?? 0);
    const facts = { id: 0, identity, namespace: namespace ?? "", podName: name, workloads: [] };
    for (const address of addresses) this.byAddress.set(address, facts);
    this.addressesOf.set(key, addresses);
  }

  remove(key: string): void {
    for (const address of this.addressesOf.get(key) ?? []) this.byAddress.delete(address);
    this.addressesOf.delete(key);
  }

  at(address: string): EndpointFacts | undefined {
    return this.byAddress.get(address);
  }
}

export interface FlowViewParts {
  readonly nodeName: string;
  readonly clusterName: string;
  readonly version: string;
  readonly redaction: () => Redaction;
  /** This node's object. */
  readonly node: () => KubeObject | undefined;
  readonly hostEndpointId: number;
  readonly table: EndpointTable;
  readonly remote: RemoteEndpoints;
  readonly identities: IdentityTable;
  readonly cookies: RuleCookies;
  readonly podOf: (endpoint: Endpoint) => KubeObject | undefined;
  readonly identityOfAddress: (address: string) => number;
  /** The entry of exactly this address, if it is a node's. */
  readonly nodeIdentity: (address: string) => number | undefined;
  readonly frontend: (key: string) => NamedFrontend | undefined;
  readonly interfaceName: (ifindex: number) => string;
  /** The names by which an endpoint of this node knows an address. */
  readonly dnsNames: (endpointId: number, address: string) => readonly string[];
}

/** How long a clock offset is used, in ns: the wall clock may be set meanwhile. */
const OFFSET_AGE_NS = 10_000_000_000n;
const CLOCK_WAS_SET_MS = 20;

/** The time of day in nanoseconds. Date alone is too coarse to order the packets of two nodes; it wins after a clock was set. */
function timeOfDayNs(): bigint {
  const fineMs = performance.timeOrigin + performance.now();
  const coarseMs = Date.now();
  const ms = Math.abs(fineMs - coarseMs) < CLOCK_WAS_SET_MS ? fineMs : coarseMs;
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

/** Nanoseconds from the monotonic clock to the time of day, read now and then. */
function clockOffset(): () => bigint {
  let offset = 0n;
  let readAt: bigint | undefined;
  return () => {
    const now = process.hrtime.bigint();
    if (readAt === undefined || now - readAt > OFFSET_AGE_NS) {
      offset = timeOfDayNs() - now;
      readAt = now;
    }
    return offset;
  };
}

/** One number for all that is asked before the loop does anything else: nothing that the agent knows changes meanwhile. */
export function loopTurns(): () => number {
  let turn = 0;
  let isAsked = false;
  const end = () => {
    turn++;
    isAsked = false;
  };
  return () => {
    if (!isAsked) {
      isAsked = true;
      queueMicrotask(end);
    }
    return turn;
  };
}

function localFacts(endpoint: Endpoint, pod: KubeObject | undefined): EndpointFacts {
  const { podNamespace, podName } = endpoint.request;
  return {
    id: endpoint.id,
    identity: endpoint.identity,
    namespace: podNamespace,
    podName,
    workloads: pod === undefined ? NO_WORKLOADS : workloadsOf(pod),
  };
}

/** What flows ask of the agent, answered from memory. */
export function createFlowView(parts: FlowViewParts): FlowContext {
  const clockOffsetNs = clockOffset();
  const nodeFacts = (address: string): EndpointFacts | undefined => {
    const identity = parts.nodeIdentity(address);
    if (identity === undefined) return undefined;
    const id = identity === ReservedIdentity.Host ? parts.hostEndpointId : 0;
    return { id, identity, namespace: "", podName: "", workloads: [] };
  };
  return {
    turn: loopTurns(),
    nodeName: nodeFullName(parts.nodeName, parts.clusterName),
    version: parts.version,
    nodeLabels: () => {
      const node = parts.node();
      return node === undefined ? NO_LABELS : nodeLabels(node);
    },
    redaction: parts.redaction,
    endpointByAddress: (address) => {
      const endpoint = parts.table.atAddress(address);
      if (endpoint !== undefined) return localFacts(endpoint, parts.podOf(endpoint));
      return nodeFacts(address) ?? parts.remote.at(address);
    },
    identityByAddress: parts.identityOfAddress,
    labelsOfIdentity: (identity) => {
      const labels = parts.identities.labelsOf(identity);
      return labels === undefined ? NO_LABELS : labelTexts(labels);
    },
    serviceByFrontend: (address, port, protocol): ServiceName | undefined => {
      const frontend = parts.frontend(frontendKey({ address, port, protocol }));
      return frontend === undefined ? undefined : { name: frontend.name, namespace: frontend.namespace };
    },
    dnsNames: parts.dnsNames,
    interfaceName: parts.interfaceName,
    ruleOrigins: (cookie) => parts.cookies.originsOf(cookie),
    requestRules: (record) => requestRules(record, parts.table.get(record.endpointId)?.realized),
    clockOffsetNs,
    newUuid: randomUUID,
  };
}
