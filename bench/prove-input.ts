/** A folder of manifests as a larger cluster has them: workloads with their namespaces, and policies of several kinds. */

export interface ProveInput {
  readonly workloads: string;
  readonly policies: string;
  /** The same policies after a change of a few. */
  readonly changed: string;
  readonly tests: string;
}

const NAMESPACES = 50;

function workload(index: number): string {
  const namespace = `team-${index % NAMESPACES}`;
  const app = `app-${Math.floor(index / NAMESPACES)}`;
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${app}
  namespace: ${namespace}
  labels:
    app.kubernetes.io/name: ${app}
    app.kubernetes.io/managed-by: Helm
  annotations:
    meta.helm.sh/release-name: ${app}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: ${app}
  template:
    metadata:
      labels:
        app: ${app}
        tier: ${["front", "logic", "data"][index % 3]}
    spec:
      serviceAccountName: ${app}
      containers:
        - name: main
          image: "registry.example/${app}:1.4.2"
          args: ["--listen", ":8080"]
          env:
            - name: LOG_LEVEL
              value: "info"
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
          resources:
            requests: {cpu: 100m, memory: 64Mi}
`;
}

function policy(index: number, port: number): string {
  const namespace = `team-${index % NAMESPACES}`;
  const number = Math.floor(index / NAMESPACES);
  const http =
    index % 4 === 0
      ? `\n          rules:\n            http:\n              - method: GET\n                path: "/v1/.*"`
      : "";
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: app-${number}
  namespace: ${namespace}
spec:
  description: Who may ask app-${number}, and whom it asks.
  endpointSelector:
    matchLabels:
      app: app-${number}
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: app-${number + 1}
        - matchLabels:
            k8s:io.kubernetes.pod.namespace: team-${(index + 1) % NAMESPACES}
            tier: front
      toPorts:
        - ports:
            - port: "${port}"
              protocol: TCP${http}
  egress:
    - toEndpoints:
        - matchLabels:
            k8s:io.kubernetes.pod.namespace: kube-system
            k8s-app: kube-dns
      toPorts:
        - ports:
            - port: "53"
              protocol: ANY
          rules:
            dns:
              - matchPattern: "*"
    - toCIDR:
        - 10.${index % 200}.0.0/16
`;
}

/** As many workloads and policies as are asked for, and a test for each policy. Each call gives the same. */
export function proveInput(workloads: number, policies: number): ProveInput {
  const each = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, index) => make(index));
  const namespaces = each(
    NAMESPACES,
    (index) => `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-${index}\n  labels:\n    team: "${index}"\n`,
  );
  const tests = each(
    policies,
    (index) =>
      `  - {from: team-${index % NAMESPACES}/app-${Math.floor(index / NAMESPACES) + 1}, to: "team-${index % NAMESPACES}/app-${Math.floor(index / NAMESPACES)}:9090", expect: deny}\n`,
  );
  return {
    workloads: [...namespaces, ...each(workloads, workload)].join("---\n"),
    policies: each(policies, (index) => policy(index, 8080)).join("---\n"),
    changed: each(policies, (index) => policy(index, index < 10 ? 8081 : 8080)).join("---\n"),
    tests: `manifests: [workloads.yaml, policies.yaml]\ntests:\n${tests.join("")}`,
  };
}
