/** The generated cluster that both policy engines compute: the mix of policies and identities of a large cluster. */

export interface BenchIdentity {
  readonly id: number;
  /** `source:key=value` */
  readonly labels: readonly string[];
}

export interface BenchInput {
  readonly identities: readonly BenchIdentity[];
  readonly policies: readonly object[];
  /** Identities whose policies are computed. */
  readonly endpoints: readonly number[];
  /** Added one by one: each is matched by many selectors. */
  readonly extraIdentities: readonly BenchIdentity[];
  readonly replacements: readonly { readonly policy: object }[];
}

/** One line of the input as our engine reads it. */
export type InputLine =
  | { readonly identity: BenchIdentity }
  | { readonly policy: object }
  | { readonly endpoints: readonly number[] }
  | { readonly extra: BenchIdentity }
  | { readonly replacement: object };

/** The input line by line. */
export function linesOfInput(input: BenchInput): string {
  const lines: InputLine[] = [
    ...input.identities.map((identity) => ({ identity })),
    ...input.policies.map((policy) => ({ policy })),
    { endpoints: input.endpoints },
    ...input.extraIdentities.map((extra) => ({ extra })),
    ...input.replacements.map(({ policy }) => ({ replacement: policy })),
  ];
  return lines.map((line) => JSON.stringify(line)).join("\n");
}

const NAMESPACES = 100;
const POLICIES = 5_000;
const APPS = 40;
const TIERS = ["web", "api", "db", "cache", "queue"];
const TEAMS = ["red", "green", "blue", "gold"];
const ZONES = ["a", "b", "c"];
const CIDRS = 537;
const FIRST_POD_IDENTITY = 256;
const FIRST_LOCAL_IDENTITY = 16_777_217;
/** Identities of one cluster; those beyond are pods of other clusters of the mesh. */
const LAST_LOCAL_POD_IDENTITY = 60_000;
const REMOTE_CLUSTER = 1 << 16;

/** Numbers below `n`, the same for the same seed (mulberry32). */
export function seeded(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

function podLabels(random: (n: number) => number, index: number, cluster: string, namespace?: number): string[] {
  const ns = `ns-${namespace ?? random(NAMESPACES)}`;
  return [
    `k8s:app=app-${random(APPS)}`,
    `k8s:tier=${TIERS[random(TIERS.length)]}`,
    `k8s:team=${TEAMS[random(TEAMS.length)]}`,
    `k8s:zone=${ZONES[random(ZONES.length)]}`,
    `k8s:version=v${index}`,
    `k8s:io.kubernetes.pod.namespace=${ns}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${ns}`,
    "k8s:io.cilium.k8s.policy.serviceaccount=default",
    `k8s:io.cilium.k8s.policy.cluster=${cluster}`,
  ];
}

function prefixAt(index: number): string {
  return `${20 + (index % 7)}.${index >> 4}.${(index & 15) * 16}.0/${index % 3 === 0 ? 20 : 24}`;
}

type Element = Readonly<Record<string, unknown>>;

function peer(random: (n: number) => number, ingress: boolean): Element {
  const side = ingress ? "from" : "to";
  const kind = random(100);
  const port = (first: number, endPort?: number) => ({
    ports: [{ port: `${first}`, protocol: "TCP", ...(endPort === undefined ? {} : { endPort }) }],
  });
  const tierAndTeam = { tier: TIERS[random(TIERS.length)], team: TEAMS[random(TEAMS.length)] };
  const plainPort = { toPorts: [port(8000 + random(20))] };
  if (kind < 40) return { [`${side}Endpoints`]: [{ matchLabels: tierAndTeam }], ...plainPort };
  if (kind < 55) {
    const namespace = { "k8s:io.kubernetes.pod.namespace": `ns-${random(NAMESPACES)}` };
    return { [`${side}Endpoints`]: [{ matchLabels: { app: `app-${random(APPS)}`, ...namespace } }], ...plainPort };
  }
  if (kind < 65) {
    const values = [TIERS[random(TIERS.length)], TIERS[random(TIERS.length)], "other"];
    const some = [{ matchExpressions: [{ key: "tier", operator: "In", values }] }];
    const first = 9000 + random(50);
    return { [`${side}Endpoints`]: some, toPorts: [port(first, first + 20 + random(100))] };
  }
  if (kind < 77 && !ingress) return dnsPeer(random);
  if (kind < 85) {
    const except = [`30.${random(200)}.${random(16) * 16}.0/24`];
    const own = { cidr: prefixAt(random(CIDRS)) };
    const wide = { cidr: "30.0.0.0/8", except };
    return { [`${side}CIDRSet`]: random(2) === 0 ? [own] : [own, wide], toPorts: [port(443)] };
  }
  if (kind < 90) {
    const http = [{ method: "GET", path: `/v${random(5)}/.*` }];
    return { [`${side}Endpoints`]: [{ matchLabels: tierAndTeam }], toPorts: [{ ...port(8080), rules: { http } }] };
  }
  const entity = ["host", "remote-node", "world", "health", "kube-apiserver"][random(5)];
  return { [`${side}Entities`]: [entity], toPorts: [port(8000 + random(20))] };
}

/** Clusterwide policies name their peers narrowly, or their entries would drown all others. */
function widePeer(random: (n: number) => number, ingress: boolean): Element {
  const app = `app-${random(APPS)}`;
  const matchLabels = { app, tier: TIERS[random(TIERS.length)], team: TEAMS[random(TEAMS.length)] };
  const toPorts = [{ ports: [{ port: `${8000 + random(20)}`, protocol: "TCP" }] }];
  return { [`${ingress ? "from" : "to"}Endpoints`]: [{ matchLabels }], toPorts };
}

function dnsPeer(random: (n: number) => number): Element {
  const server = {
    matchLabels: { "k8s:io.kubernetes.pod.namespace": `ns-${random(3)}`, "k8s:app": `app-${random(3)}` },
  };
  const rules = { dns: [{ matchPattern: "*" }] };
  return { toEndpoints: [server], toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules }] };
}

function subject(random: (n: number) => number): Element {
  const kind = random(10);
  if (kind < 5) return { matchLabels: { app: `app-${random(APPS)}` } };
  return kind < 9 ? { matchLabels: { tier: TIERS[random(TIERS.length)] } } : {};
}

function policy(random: (n: number) => number, index: number, isWide = random(50) === 0): object {
  const isIngress = random(100) < 70;
  const onePeer = () => (isWide ? widePeer(random, isIngress) : peer(random, isIngress));
  const elements = [onePeer(), ...(random(3) === 0 ? [onePeer()] : [])];
  const hasL7 = elements.some(({ toPorts }) => JSON.stringify(toPorts).includes("rules"));
  const section =
    !hasL7 && random(100) < 3 ? (isIngress ? "ingressDeny" : "egressDeny") : isIngress ? "ingress" : "egress";
  const endpointSelector = isWide ? { matchLabels: { zone: ZONES[random(ZONES.length)] } } : subject(random);
  return {
    apiVersion: "cilium.io/v2",
    kind: isWide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name: `policy-${index}`, ...(isWide ? {} : { namespace: `ns-${random(NAMESPACES)}` }) },
    spec: { endpointSelector, [section]: elements },
  };
}

/** `pods` identities, of which those beyond one cluster's range are in other clusters. */
export function policyInput(pods: number, seed = 1): BenchInput {
  const random = seeded(seed);
  const identities: BenchIdentity[] = [];
  for (let index = 0; index < pods; index++) {
    const isLocal = index < LAST_LOCAL_POD_IDENTITY;
    const id = isLocal
      ? FIRST_POD_IDENTITY + index
      : REMOTE_CLUSTER + FIRST_POD_IDENTITY + index - LAST_LOCAL_POD_IDENTITY;
    identities.push({ id, labels: podLabels(random, index, isLocal ? "default" : "other") });
  }
  const policies = Array.from({ length: POLICIES }, (_, index) => policy(random, index));
  for (let index = 0; index < CIDRS; index++) {
    identities.push({ id: FIRST_LOCAL_IDENTITY + index, labels: [`cidr:${prefixAt(index)}`, "reserved:world"] });
  }
  const step = Math.floor(Math.min(pods, LAST_LOCAL_POD_IDENTITY) / 100);
  const endpoints = Array.from({ length: 100 }, (_, index) => FIRST_POD_IDENTITY + index * step);
  const firstExtra = pods > LAST_LOCAL_POD_IDENTITY ? 64_000 : FIRST_POD_IDENTITY + pods;
  const extraIdentities = Array.from({ length: 200 }, (_, index) => ({
    id: firstExtra + index,
    labels: podLabels(random, pods + index, "default", index % NAMESPACES),
  }));
  const replacements = Array.from({ length: 1000 }, () => {
    const index = random(POLICIES);
    const old = policies[index] as { readonly metadata: object; readonly kind: string };
    const fresh = policy(random, index, old.kind === "CiliumClusterwideNetworkPolicy");
    return { policy: { ...fresh, kind: old.kind, metadata: old.metadata } };
  });
  return { identities, policies, endpoints, extraIdentities, replacements };
}
