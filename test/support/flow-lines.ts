/** Flows as `hubble observe -o jsonpb` prints them, for tests that say only what matters. */

export interface FlowLine {
  readonly from?: string;
  readonly to?: string;
  readonly port?: number;
  readonly sourcePort?: number;
  readonly protocol?: "TCP" | "UDP";
  readonly at?: number;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** `shop/cart` = a pod with `app=cart`; an address = somebody outside; `reserved:host`. */
function endOf(who: string): { endpoint: object; address: string } {
  if (who.startsWith("reserved:")) return { endpoint: { identity: 1, labels: [who] }, address: "10.9.9.9" };
  const [namespace, app] = who.split("/");
  if (app === undefined) return { endpoint: { identity: 2, labels: ["reserved:world"] }, address: who };
  const labels = [
    `k8s:app=${app}`,
    "k8s:io.cilium.k8s.policy.cluster=default",
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    "k8s:io.cilium.k8s.policy.serviceaccount=default",
    `k8s:io.kubernetes.pod.namespace=${namespace}`,
  ];
  const pod = `${app}-5d4f6c7b8-x2k9z`;
  const workloads = [{ name: app, kind: "Deployment" }];
  const address = `10.1.0.${[...app].reduce((sum, letter) => (sum + letter.charCodeAt(0)) % 200, 1)}`;
  return { endpoint: { ID: 7, identity: 3000, namespace, labels, pod_name: pod, workloads }, address };
}

export const VERDICT = { event_type: { type: 5 }, is_reply: false } as const;

/** A flow; without more it is a verdict of ingress that lets a new TCP connection in. */
export function flow(line: FlowLine = {}): Record<string, unknown> {
  const {
    from = "shop/cart",
    to = "shop/store",
    port = 6379,
    sourcePort = 41_000,
    protocol = "TCP",
    at = 0,
    more = {},
  } = line;
  const [source, destination] = [endOf(from), endOf(to)];
  const flags = protocol === "TCP" ? { flags: { SYN: true } } : {};
  return {
    time: new Date(1_764_000_000_000 + at).toISOString(),
    uuid: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
    verdict: "FORWARDED",
    IP: { source: source.address, destination: destination.address, ipVersion: "IPv4" },
    l4: { [protocol]: { source_port: sourcePort, destination_port: port, ...flags } },
    source: source.endpoint,
    destination: destination.endpoint,
    Type: "L3_L4",
    node_name: "k8s-w1",
    traffic_direction: "INGRESS",
    ...VERDICT,
    ...more,
  };
}

/** One line of a recording. */
export function lineOf(line: FlowLine = {}): string {
  const inner = flow(line);
  return JSON.stringify({ flow: inner, node_name: inner["node_name"], time: inner["time"] });
}

/** What makes a flow a request that the proxy judged. */
export function http(method: string, path: string, headers: Readonly<Record<string, string>> = { "User-Agent": "t" }) {
  const list = Object.entries(headers).map(([key, value]) => ({ key, value }));
  return {
    Type: "L7",
    event_type: { type: 129 },
    is_reply: false,
    l7: { type: "REQUEST", http: { method, url: `http://store${path}`, headers: list } },
  };
}
