import fc from "fast-check";

/** What three kinds of policy can say: which pods of one namespace may talk with whom, in one direction. */
export interface Intent {
  readonly namespace: string;
  readonly subject: Readonly<Record<string, string>>;
  readonly direction: "ingress" | "egress";
  readonly peer: IntentPeer;
  /** None = every port. */
  readonly ports: readonly { readonly port: number; readonly endPort?: number; readonly protocol: string }[];
}

type IntentPeer =
  | { readonly pods: Readonly<Record<string, string>> }
  | { readonly env: string }
  | { readonly cidr: string; readonly except: readonly string[] }
  | "anybody";

type Kind = "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy" | "NetworkPolicy";

const labels = fc.constantFrom<Record<string, string>>(
  {},
  { app: "a" },
  { app: "b" },
  { team: "x" },
  { app: "a", team: "y" },
);

export const intents: fc.Arbitrary<Intent> = fc.record({
  namespace: fc.constantFrom("ns1", "ns2"),
  subject: labels,
  direction: fc.constantFrom("ingress", "egress"),
  peer: fc.oneof<fc.Arbitrary<IntentPeer>[]>(
    fc.record({ pods: labels }),
    fc.record({ env: fc.constantFrom("prod", "dev") }),
    fc.constantFrom<IntentPeer>(
      { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
      { cidr: "0.0.0.0/0", except: [] },
      { cidr: "192.0.2.0/24", except: [] },
    ),
    fc.constant<IntentPeer>("anybody"),
  ),
  ports: fc.uniqueArray(
    fc.constantFrom(
      { port: 80, protocol: "TCP" },
      { port: 80, endPort: 85, protocol: "TCP" },
      { port: 53, protocol: "UDP" },
      { port: 8080, protocol: "SCTP" },
    ),
    { maxLength: 2 },
  ),
});

const NAMESPACE = "k8s:io.kubernetes.pod.namespace";
const ENVIRONMENT = "k8s:io.cilium.k8s.namespace.labels.env";

export function intentAs(kind: Kind, intent: Intent): object {
  return kind === "NetworkPolicy" ? kubernetes(intent) : cilium(kind, intent);
}

function kubernetes({ namespace, subject, direction, peer, ports }: Intent): object {
  const peers = peer === "anybody" ? [] : [kubernetesPeer(peer)];
  const rule = {
    ...(peers.length > 0 ? { [direction === "ingress" ? "from" : "to"]: peers } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "intent", namespace },
    spec: {
      podSelector: { matchLabels: subject },
      policyTypes: [direction === "ingress" ? "Ingress" : "Egress"],
      [direction]: [rule],
    },
  };
}

function kubernetesPeer(peer: Exclude<IntentPeer, "anybody">): object {
  if ("pods" in peer) return { podSelector: { matchLabels: peer.pods } };
  if ("env" in peer) return { namespaceSelector: { matchLabels: { env: peer.env } } };
  return { ipBlock: peer };
}

function cilium(kind: Exclude<Kind, "NetworkPolicy">, { namespace, subject, direction, peer, ports }: Intent): object {
  const isClusterwide = kind === "CiliumClusterwideNetworkPolicy";
  const prefix = direction === "ingress" ? "from" : "to";
  const element = {
    ...ciliumPeer(prefix, peer, namespace, isClusterwide),
    ...(ports.length > 0
      ? { toPorts: [{ ports: ports.map(({ port, ...rest }) => ({ port: String(port), ...rest })) }] }
      : {}),
  };
  return {
    apiVersion: "cilium.io/v2",
    kind,
    metadata: { name: "intent", ...(isClusterwide ? {} : { namespace }) },
    spec: {
      endpointSelector: { matchLabels: isClusterwide ? { ...subject, [NAMESPACE]: namespace } : subject },
      [direction]: [element],
    },
  };
}

function ciliumPeer(prefix: string, peer: IntentPeer, namespace: string, isClusterwide: boolean): object {
  if (peer === "anybody") return { [`${prefix}Entities`]: ["all"] };
  if ("env" in peer) return { [`${prefix}Endpoints`]: [{ matchLabels: { [ENVIRONMENT]: peer.env } }] };
  if ("cidr" in peer) return { [`${prefix}CIDRSet`]: [peer] };
  const matchLabels = isClusterwide ? { ...peer.pods, [NAMESPACE]: namespace } : peer.pods;
  return { [`${prefix}Endpoints`]: [{ matchLabels }] };
}
