/** A pod for the kubelet's tests: one idle container unless `spec` says otherwise. */
export function podObject(name: string, spec: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: {
      // nobody in these tests makes the ConfigMap that goes with a token
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 2,
      containers: [{ name: "c", image: "quay.io/cilium/json-mock" }],
      ...spec,
    },
  };
}
