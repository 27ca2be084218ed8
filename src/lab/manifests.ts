import { HARMLESS_HEADERS } from "../flow/redaction.ts";
import {
  AGENT_METRICS_PORT,
  CLUSTER_DOMAIN,
  DNS_SERVICE_IP,
  FLOW_METRICS_PORT,
  PROXY_METRICS_PORT,
} from "../model/addresses.ts";

/** A Kubernetes object in its JSON form. */
export type Manifest = Record<string, unknown> & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
};

const NAMESPACE = "kube-system";
const LINUX = { "kubernetes.io/os": "linux" };
const EVERYWHERE = [{ operator: "Exists" }];

/** What a cluster of kubeadm with Cilium has in kube-system, as far as it is real here. */
export function systemManifests(version: string, proxyBootstrap: string): Manifest[] {
  return [
    ...["coredns", "cilium", "cilium-envoy"].map((name) => ({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name, namespace: NAMESPACE },
    })),
    envoyConfig(proxyBootstrap),
    agentConfig(),
    dnsService(),
    dnsDeployment(version),
    agentDaemonSet(version),
    proxyDaemonSet(version),
  ];
}

function dnsService(): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kube-dns",
      namespace: NAMESPACE,
      labels: { "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
    },
    spec: {
      clusterIP: DNS_SERVICE_IP,
      selector: { "k8s-app": "kube-dns" },
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
      ],
    },
  };
}

function dnsDeployment(version: string): Manifest {
  const labels = { "k8s-app": "kube-dns" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace: NAMESPACE, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: "coredns",
          dnsPolicy: "Default",
          nodeSelector: LINUX,
          tolerations: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" }],
          containers: [
            {
              name: "coredns",
              image: `shieldgate/coredns:${version}`,
              args: ["--domain", CLUSTER_DOMAIN, "--world"],
              ports: [
                { name: "dns", containerPort: 53, protocol: "UDP" },
                { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
              ],
              readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
              livenessProbe: { httpGet: { path: "/health", port: 8080 }, periodSeconds: 10 },
              volumeMounts: [{ name: "api-access", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }],
            },
          ],
          volumes: [apiAccess()],
        },
      },
    },
  };
}

/** A token for the pod's service account, the authority's certificate and the namespace, as Kubernetes mounts them. */
function apiAccess(): unknown {
  return {
    name: "api-access",
    projected: {
      sources: [
        { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
      ],
    },
  };
}

function envoyConfig(proxyBootstrap: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cilium-envoy-config", namespace: NAMESPACE },
    data: { "bootstrap-config.json": proxyBootstrap },
  };
}

/** The metrics of flows that Cilium's documentation turns on (observability/metrics.rst), with policy verdicts. */
const USUAL_METRICS = [
  "dns",
  "drop",
  "tcp",
  "flow",
  "port-distribution",
  "icmp",
  "policy",
  `httpV2:exemplars=true;labelsContext=${[
    ...["source_ip", "source_namespace", "source_workload"],
    ...["destination_ip", "destination_namespace", "destination_workload", "traffic_direction"],
  ].join(",")}`,
].join(" ");

/** What agents follow, as it is when nobody says otherwise. */
function agentConfig(): Manifest {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cilium-config", namespace: NAMESPACE },
    data: {
      "enable-hubble-open-metrics": "true",
      "hubble-event-buffer-capacity": "4095",
      "hubble-history-max-age": "24h",
      "hubble-history-max-bytes": "1Gi",
      "hubble-metrics": USUAL_METRICS,
      "hubble-metrics-server": `:${FLOW_METRICS_PORT}`,
      "hubble-redact-enabled": "true",
      "hubble-redact-http-headers-allow": HARMLESS_HEADERS.join(","),
      "hubble-redact-http-urlquery": "true",
      "hubble-redact-http-userinfo": "true",
      "prometheus-serve-addr": `:${AGENT_METRICS_PORT}`,
    },
  };
}

interface HostMount {
  readonly name: string;
  readonly path: string;
  readonly at: string;
  readonly propagation?: string;
}

function hostPathVolumes(mounts: readonly HostMount[]): unknown[] {
  return mounts.map((mount) => ({ name: mount.name, hostPath: { path: mount.path, type: "DirectoryOrCreate" } }));
}

function volumeMounts(mounts: readonly HostMount[]): unknown[] {
  return mounts.map((mount) => ({
    name: mount.name,
    mountPath: mount.at,
    ...(mount.propagation === undefined ? {} : { mountPropagation: mount.propagation }),
  }));
}

function daemonSet(
  name: string,
  labels: Record<string, string>,
  spec: Record<string, unknown>,
  annotations: Record<string, string> = {},
): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace: NAMESPACE, labels },
    spec: {
      selector: { matchLabels: { "k8s-app": labels["k8s-app"] } },
      template: {
        metadata: { labels, annotations },
        spec: {
          hostNetwork: true,
          nodeSelector: LINUX,
          tolerations: EVERYWHERE,
          priorityClassName: "system-node-critical",
          ...spec,
        },
      },
    },
  };
}

function agentDaemonSet(version: string): Manifest {
  const mounts: HostMount[] = [
    { name: "bpf-maps", path: "/sys/fs/bpf", at: "/sys/fs/bpf", propagation: "HostToContainer" },
    { name: "cilium-run", path: "/var/run/cilium", at: "/var/run/cilium" },
    { name: "envoy-sockets", path: "/var/run/cilium/envoy/sockets", at: "/var/run/cilium/envoy/sockets" },
  ];
  return daemonSet(
    "cilium",
    { "k8s-app": "cilium", "app.kubernetes.io/name": "cilium-agent" },
    {
      serviceAccountName: "cilium",
      containers: [{ name: "cilium-agent", image: `shieldgate/agent:${version}`, volumeMounts: volumeMounts(mounts) }],
      volumes: hostPathVolumes(mounts),
    },
    { "prometheus.io/scrape": "true", "prometheus.io/port": String(AGENT_METRICS_PORT) },
  );
}

function proxyDaemonSet(version: string): Manifest {
  const mounts: HostMount[] = [
    { name: "bpf-maps", path: "/sys/fs/bpf", at: "/sys/fs/bpf", propagation: "HostToContainer" },
    {
      name: "envoy-artifacts",
      path: "/var/run/cilium/envoy/artifacts",
      at: "/var/run/cilium/envoy/artifacts",
    },
    { name: "envoy-sockets", path: "/var/run/cilium/envoy/sockets", at: "/var/run/cilium/envoy/sockets" },
  ];
  const config = { name: "envoy-config", mountPath: "/var/run/cilium/envoy/", readOnly: true };
  return daemonSet(
    "cilium-envoy",
    { "k8s-app": "cilium-envoy", "app.kubernetes.io/name": "cilium-envoy" },
    {
      serviceAccountName: "cilium-envoy",
      containers: [
        {
          name: "cilium-envoy",
          image: `shieldgate/proxy:${version}`,
          args: ["--bootstrap", "/var/run/cilium/envoy/bootstrap-config.json"],
          volumeMounts: [...volumeMounts(mounts), config],
        },
      ],
      volumes: [
        ...hostPathVolumes(mounts),
        {
          name: "envoy-config",
          configMap: {
            name: "cilium-envoy-config",
            items: [{ key: "bootstrap-config.json", path: "bootstrap-config.json" }],
          },
        },
      ],
    },
    { "prometheus.io/scrape": "true", "prometheus.io/port": String(PROXY_METRICS_PORT) },
  );
}
