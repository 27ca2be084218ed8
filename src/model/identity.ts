import { ReservedIdentity } from "./addresses.ts";
import { formatLabels, type Label, type Labels, toLabels } from "./label.ts";
import { isSecurityRelevant, type LabelFilter } from "./label-filter.ts";

export const NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
export const NAMESPACE_LABELS_PREFIX = "io.cilium.k8s.namespace.labels";
export const SERVICE_ACCOUNT_LABEL = "io.cilium.k8s.policy.serviceaccount";
export const CLUSTER_LABEL = "io.cilium.k8s.policy.cluster";
/** Pod labels that begin with it are Cilium's own; what a user writes there is dropped. */
const OWNED_PREFIX = "io.cilium.k8s";

export interface PodFacts {
  readonly podLabels: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** Empty = none. */
  readonly serviceAccount: string;
  readonly cluster: string;
}

/**
 * The security-relevant labels of a pod, sorted: its own, its namespace's, service account and cluster. Without a filter
 * Cilium's default one says which are relevant.
 */
export function identityLabelsOfPod(pod: PodFacts, filter?: LabelFilter): Labels {
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(pod.podLabels)) if (!key.startsWith(OWNED_PREFIX)) values.set(key, value);
  for (const [key, value] of Object.entries(pod.namespaceLabels))
    values.set(`${NAMESPACE_LABELS_PREFIX}.${key}`, value);
  values.set(NAMESPACE_LABEL, pod.namespace);
  if (pod.serviceAccount !== "") values.set(SERVICE_ACCOUNT_LABEL, pod.serviceAccount);
  values.set(CLUSTER_LABEL, pod.cluster);
  const labels = [...values].map(([key, value]): Label => ({ source: "k8s", key, value }));
  return toLabels(labels.filter((label) => isSecurityRelevant(label, filter)));
}

function reserved(...keys: readonly string[]): Labels {
  return toLabels(keys.map((key) => ({ source: "reserved", key, value: "" })));
}

const RESERVED: ReadonlyMap<number, Labels> = new Map([
  [ReservedIdentity.Unknown, reserved("unknown")],
  [ReservedIdentity.Host, reserved("host")],
  [ReservedIdentity.World, reserved("world")],
  [ReservedIdentity.Unmanaged, reserved("unmanaged")],
  [ReservedIdentity.Health, reserved("health")],
  [ReservedIdentity.Init, reserved("init")],
  [ReservedIdentity.RemoteNode, reserved("remote-node")],
  [ReservedIdentity.KubeApiServer, reserved("kube-apiserver", "remote-node")],
  [ReservedIdentity.Ingress, reserved("ingress")],
  [ReservedIdentity.WorldIpv4, reserved("world-ipv4")],
  [ReservedIdentity.WorldIpv6, reserved("world-ipv6")],
]);

/**
 * Labels of a reserved identity (0..10); undefined for any other number. Cilium's 11..14 are not here: they are keys of
 * its policy map that stand for many identities, and nobody ever has them.
 */
export function reservedIdentityLabels(id: number): Labels | undefined {
  return RESERVED.get(id);
}

/** The reserved identity that stands for exactly these labels, if one does. */
export function reservedIdentityOf(labels: Labels): number | undefined {
  const text = formatLabels(labels).join();
  for (const [id, own] of RESERVED) if (formatLabels(own).join() === text) return id;
  return undefined;
}

/**
 * Every reserved identity with its labels, `unknown` left out: it is nobody. The worlds of IPv4 and of IPv6 are there only
 * where both families are.
 */
export function reservedIdentities(isDualStack = false): ReadonlyMap<number, Labels> {
  const isThere = (id: number) => id !== ReservedIdentity.Unknown && (isDualStack || id < ReservedIdentity.WorldIpv4);
  return new Map([...RESERVED].filter(([id]) => isThere(id)));
}

/** Identities of pods: those of the cluster with the id 0. */
export const FIRST_IDENTITY = 256;
export const LAST_IDENTITY = 65_535;
const IDENTITIES = LAST_IDENTITY - FIRST_IDENTITY + 1;

/** 32 well-mixed bits of a text. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** The number that these labels want: the same on every node, 256..65535. */
export function identityNumber(labels: Labels): number {
  return FIRST_IDENTITY + (hash(formatLabels(toLabels(labels)).join("\n")) % IDENTITIES);
}

/** Every number that these labels may have, in the order to try: the wanted one, then the ones after it, around. */
export function* identityCandidates(labels: Labels): Iterable<number> {
  const start = identityNumber(labels) - FIRST_IDENTITY;
  for (let step = 0; step < IDENTITIES; step++) yield FIRST_IDENTITY + ((start + step) % IDENTITIES);
}
