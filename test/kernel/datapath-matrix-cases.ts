/** Policies of the connectivity matrix, on pods with `app` client or server and `team` red or blue. */

interface MatrixPolicy {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: unknown;
}

export interface MatrixCase {
  readonly name: string;
  readonly policies: readonly MatrixPolicy[];
  /** Nothing is closed in it. */
  readonly isOpen?: boolean;
}

const SERVERS = { matchLabels: { app: "server" } };
const CLIENTS = { matchLabels: { app: "client" } };
const RED = { matchLabels: { team: "red" } };
const EVERYBODY = {};

const cnp = (name: string, spec: unknown): MatrixPolicy => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name, namespace: "default" },
  spec,
});
const knp = (name: string, spec: unknown): MatrixPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "default" },
  spec,
});
const port = (number: number, protocol: string, endPort?: number) => ({
  port: String(number),
  protocol,
  ...(endPort === undefined ? {} : { endPort }),
});
const one = (name: string, spec: unknown): MatrixCase => ({ name, policies: [cnp("one", spec)] });

const clusterPolicies: readonly MatrixPolicy[] = [
  {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "wide" },
    spec: {
      endpointSelector: SERVERS,
      ingressDeny: [{ fromEndpoints: [RED], toPorts: [{ ports: [port(81, "TCP")] }] }],
    },
  },
];

const icmps = (...types: number[]) => [
  { fields: types.map((type) => ({ type, family: type > 100 ? "IPv6" : "IPv4" })) },
];

export const matrixCases: readonly MatrixCase[] = [
  { name: "no policy", policies: [], isOpen: true },
  one("ingress from one team", { endpointSelector: SERVERS, ingress: [{ fromEndpoints: [RED] }] }),
  one("ingress to one port, whoever asks", {
    endpointSelector: SERVERS,
    ingress: [{ toPorts: [{ ports: [port(80, "TCP")] }] }],
  }),
  one("a range of ports, any protocol", {
    endpointSelector: EVERYBODY,
    ingress: [{ fromEndpoints: [CLIENTS], toPorts: [{ ports: [port(79, "ANY", 81)] }] }],
  }),
  one("UDP alone", { endpointSelector: EVERYBODY, ingress: [{ toPorts: [{ ports: [port(5353, "UDP")] }] }] }),
  one("pings of IPv4, not of IPv6", { endpointSelector: SERVERS, ingress: [{ icmps: icmps(8) }] }),
  one("pings of IPv6, not of IPv4", { endpointSelector: SERVERS, ingress: [{ icmps: icmps(128) }] }),
  one("nobody in", { endpointSelector: SERVERS, ingress: [{}] }),
  one("nobody out but to servers", { endpointSelector: CLIENTS, egress: [{ toEndpoints: [SERVERS] }] }),
  one("out to one port of one team", {
    endpointSelector: EVERYBODY,
    egress: [{ toEndpoints: [RED], toPorts: [{ ports: [port(81, "TCP")] }] }],
  }),
  one("a selector that excludes", {
    endpointSelector: { matchExpressions: [{ key: "team", operator: "NotIn", values: ["red"] }] },
    ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: "app", operator: "DoesNotExist" }] }] }],
  }),
  one("entities: the cluster may, the world may not", {
    endpointSelector: SERVERS,
    ingress: [{ fromEntities: ["cluster"], toPorts: [{ ports: [port(80, "TCP")] }] }],
  }),
  one("prefixes mean nobody inside the cluster", {
    endpointSelector: CLIENTS,
    egress: [{ toCIDR: ["172.20.0.0/16", "fd00::/8"] }, { toEndpoints: [CLIENTS] }],
  }),
  {
    name: "a deny before every allow",
    policies: [
      cnp("allow", { endpointSelector: SERVERS, ingress: [{ fromEntities: ["all"] }] }),
      cnp("deny", { endpointSelector: SERVERS, ingressDeny: [{ fromEndpoints: [RED] }] }),
    ],
  },
  {
    name: "a clusterwide deny of one port",
    policies: [cnp("all", { endpointSelector: SERVERS, ingress: [{ fromEntities: ["all"] }] }), ...clusterPolicies],
  },
  {
    name: "both sides must agree",
    policies: [
      cnp("out", { endpointSelector: CLIENTS, egress: [{ toPorts: [{ ports: [port(80, "TCP"), port(81, "TCP")] }] }] }),
      cnp("in", {
        endpointSelector: SERVERS,
        ingress: [{ toPorts: [{ ports: [port(81, "TCP"), port(5353, "UDP")] }] }],
      }),
    ],
  },
  {
    name: "Kubernetes' NetworkPolicy",
    policies: [
      knp("web", {
        podSelector: SERVERS,
        ingress: [
          { from: [{ podSelector: RED }], ports: [{ port: 80 }, { port: 5000, endPort: 6000, protocol: "UDP" }] },
        ],
      }),
    ],
  },
  {
    name: "default deny that is not switched on",
    policies: [
      cnp("soft", {
        endpointSelector: SERVERS,
        enableDefaultDeny: { ingress: false },
        ingress: [{ fromEndpoints: [RED] }],
        ingressDeny: [{ toPorts: [{ ports: [port(81, "TCP")] }] }],
      }),
    ],
  },
];
