/** Lines as `hubble observe -o jsonpb` prints them on a node where `pods` clients ask `servers` servers. */

const LABELS = (app: string, namespace: string) => [
  `k8s:app.kubernetes.io/name=${app}`,
  `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
  "k8s:io.cilium.k8s.policy.cluster=default",
  "k8s:io.cilium.k8s.policy.serviceaccount=default",
  `k8s:io.kubernetes.pod.namespace=${namespace}`,
  `k8s:tier=${app}`,
];

interface Pod {
  readonly address: string;
  readonly endpoint: object;
}

function podOf(kind: string, number: number): Pod {
  const [app, namespace] = [`${kind}-${number}`, `shop-${number % 10}`];
  return {
    address: `10.${kind.length}.${number >> 8}.${number & 255}`,
    endpoint: {
      ID: 100 + number,
      identity: 5000 + number,
      cluster_name: "default",
      namespace,
      labels: LABELS(app, namespace),
      pod_name: `${app}-7d9f8b6c5d-x2k9z`,
      workloads: [{ name: app, kind: "Deployment" }],
    },
  };
}

/** A stream of numbers that is the same every time. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Lines with their ends, `count` of them: new and later packets, replies, some verdicts. */
export function* recordedLines(count: number, { pods = 200, servers = 25 } = {}): Generator<string> {
  const below = chance(1);
  const clients = Array.from({ length: pods }, (_, number) => podOf("client", number));
  const asked = Array.from({ length: servers }, (_, number) => podOf("server", number));
  for (let i = 0; i < count; i++) {
    const [client, server] = [clients[below(pods)]!, asked[below(servers)]!];
    const isReply = below(100) < 45;
    const [from, to] = isReply ? [server, client] : [client, server];
    const port = 32_768 + below(28_000);
    const ports = isReply
      ? { source_port: 8080, destination_port: port }
      : { source_port: port, destination_port: 8080 };
    const isFirst = !isReply && below(4) === 0;
    const time = new Date(1_764_000_000_000 + i).toISOString().replace("Z", "456789Z");
    const digits = i.toString(16).padStart(12, "0");
    const flow = {
      time,
      uuid: `6f1c2d3e-4a5b-4c6d-8e7f-${digits}`,
      verdict: "FORWARDED",
      ethernet: { source: "06:3d:6e:8e:5b:01", destination: "5e:1e:5b:e5:59:02" },
      IP: { source: from.address, destination: to.address, ipVersion: "IPv4" },
      l4: { TCP: { ...ports, flags: isFirst ? { SYN: true } : { PSH: true, ACK: true } } },
      source: from.endpoint,
      destination: to.endpoint,
      Type: "L3_L4",
      node_name: "k8s-w1",
      node_labels: ["kubernetes.io/arch=amd64", "kubernetes.io/hostname=k8s-w1", "kubernetes.io/os=linux"],
      event_type: isReply ? { type: 4, sub_type: 3 } : { type: 4 },
      traffic_direction: "INGRESS",
      trace_observation_point: isReply ? "TO_STACK" : "TO_ENDPOINT",
      trace_reason: isReply ? "REPLY" : isFirst ? "NEW" : "ESTABLISHED",
      is_reply: isReply,
      interface: { index: 12, name: "lxc0a1b2c3d" },
      Summary: isFirst ? "TCP Flags: SYN" : "TCP Flags: ACK, PSH",
    };
    yield `${JSON.stringify({ flow, node_name: "k8s-w1", time })}\n`;
  }
}
