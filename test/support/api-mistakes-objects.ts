/** Common mistakes of users in the objects that they write. */
import { APPLY, asked, MERGE, MISTAKEN, type Mistake, made, patched, replaced, within, YAML } from "./api-mistake.ts";

const C = "spec/containers/0/";
const LONG = "a".repeat(254);
const T = "spec/template/spec/containers/0/";

const NAMES: readonly Mistake[] = [
  made("an underscore in a name", "configmaps", { "metadata/name": "my_config" }),
  made("capitals in a name", "pods", { "metadata/name": "MyPod" }),
  made("a name that is too long", "configmaps", { "metadata/name": LONG }),
  made("a service's name that is too long", "services", { "metadata/name": "a".repeat(64) }),
  made("a service's name that begins with a digit", "services", { "metadata/name": "1web" }),
  made("no name", "configmaps", { "metadata/name": undefined }),
  made("a cron job's name that is too long", "cronjobs", { "metadata/name": "a".repeat(53) }),
  made("an upper-case generateName", "configmaps", { "metadata/name": undefined, "metadata/generateName": "Bad_" }),
  made("a label's value with a space", "configmaps", { "metadata/labels/app": "my app" }),
  made("a label's value that is too long", "pods", { "metadata/labels/app": "a".repeat(64) }),
  made("a label that is a number", "configmaps", { "metadata/labels/app": 1 }),
  made("a label's key with two slashes", "configmaps", { "metadata/labels": { "a/b/c": "d" } }),
  made("an annotation's key with a space", "configmaps", { "metadata/annotations": { "a b": "d" } }),
  made("a bad finalizer", "configmaps", { "metadata/finalizers": ["keep"] }),
  made("a bad key in a config map", "configmaps", { data: { "a b": "c" } }),
  made("a config map's value that is a number", "configmaps", { "data/size": 1 }),
  made("a secret that is not base64", "secrets", { "data/pass": "not base64!" }),
  asked("a namespace with a bad name", "POST", "/api/v1/namespaces", { metadata: { name: "Team_A" } }),
  asked("a namespace that is there", "POST", "/api/v1/namespaces", { metadata: { name: MISTAKEN } }),
];

const SHAPES: readonly Mistake[] = [
  made("an unknown field, strictly", "deployments", { "spec/replica": 3 }, "&fieldValidation=Strict"),
  made("an unknown field deep down, strictly", "pods", { [`${C}imagePullPolic`]: "x" }, "&fieldValidation=Strict"),
  made("an unknown field, warned", "services", { "spec/portz": [], "spec/type": "Bad" }, "&fieldValidation=Warn"),
  made("the apiVersion of old", "deployments", { apiVersion: "extensions/v1beta1" }),
  made("an apiVersion without its group", "deployments", { apiVersion: "v1" }),
  made("another kind", "deployments", { kind: "Deploymint" }),
  made("no kind", "deployments", { kind: undefined }),
  made("replicas as text", "deployments", { "spec/replicas": "3" }),
  made("a port as text", "services", { "spec/ports/0/port": "80" }),
  made("containers as a map", "pods", { "spec/containers": { name: "main" } }),
  made("env's value as a number", "pods", { [`${C}env`]: [{ name: "A", value: 1 }] }),
  made("a command as text", "pods", { [`${C}command`]: "sleep 1" }),
  made("labels as a list", "pods", { "metadata/labels": ["app=a"] }),
  made("a fraction of a replica", "deployments", { "spec/replicas": 1.5 }),
  {
    title: "YAML with a tab",
    request: {
      method: "POST",
      path: within("configmaps"),
      headers: YAML,
      body: "apiVersion: v1\nkind: ConfigMap\n\tx: 1\n",
    },
  },
];

const TWICE =
  '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","name":"x"},"data":{"a":"1","a":"2"},"z":1}';
const TWICE_DEEP =
  '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[{"name":"a","image":"a","image":"b",' +
  '"ports":[{"containerPort":1},{"containerPort":1,"containerPort":2}]}],"nodeSelector":{"a":"\\"b\\":","a":"c"}}}';
const TWICE_WIDGET =
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x"},"spec":{"size":1,"size":2,"no":1}}';
const TWICE_YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: '1'\n  a: '2'\n";

const asking = (title: string, method: string, path: string, body: string, headers = {}): Mistake[] =>
  ["Strict", "Warn"].map((validation) => {
    const query = `dryRun=All&fieldManager=a&fieldValidation=${validation}`;
    return { title: `${title}, ${validation}`, request: { method, path: `${within(path)}?${query}`, headers, body } };
  });

/** Keys that a body has twice, and what is told beside a refusal. */
const READINGS: readonly Mistake[] = [
  ...asking("a key twice", "POST", "configmaps", TWICE),
  ...asking("a key twice in a list", "POST", "pods", TWICE_DEEP),
  ...asking("a key twice in YAML", "POST", "configmaps", TWICE_YAML.replace("one", "x"), YAML),
  ...asking("a key twice in an update", "PUT", "configmaps/one", TWICE.replaceAll('"x"', '"one"')),
  ...asking("a key twice in a patch", "PATCH", "configmaps/one", '{"data":{"a":"1","a":"2"}}', MERGE),
  ...asking("a key twice in what is applied", "PATCH", "configmaps/one", TWICE_YAML, APPLY),
  {
    title: "a key twice in a widget",
    request: {
      method: "POST",
      path: `/apis/example.com/v1/namespaces/${MISTAKEN}/widgets?fieldValidation=Strict`,
      body: TWICE_WIDGET,
    },
  },
  made("an unknown field beside a refusal", "configmaps", { "metadata/name": "UP", nothing: 1 }),
  made("an unknown field of what is there", "configmaps", { "metadata/name": "one", nothing: 1 }),
  replaced("an unknown field in an old revision", "configmaps", { "metadata/resourceVersion": "1", nothing: 1 }),
  made("a widget without its kind", "widgets", { kind: undefined }),
];

const PODS: readonly Mistake[] = [
  made("no containers", "pods", { "spec/containers": [] }),
  made("a container without a name", "pods", { [`${C}name`]: undefined }),
  made("a container without an image", "pods", { [`${C}image`]: undefined }),
  made("two containers of one name", "pods", { "spec/containers/1/name": "main" }),
  made("an init container of a container's name", "pods", { "spec/initContainers/0/name": "main" }),
  made("a mount without a volume", "pods", { [`${C}volumeMounts`]: [{ name: "data", mountPath: "/data" }] }),
  made("two mounts at one path", "pods", { [`${C}volumeMounts/1/mountPath`]: "/tmp" }),
  made("two volumes of one name", "pods", { "spec/volumes/1/name": "tmp" }),
  made("a volume of two types", "pods", { "spec/volumes/0/configMap": { name: "one" } }),
  made("a config map's volume without a name", "pods", { "spec/volumes/1/configMap": {} }),
  made("a bad quantity", "pods", { [`${C}resources/limits/cpu`]: "1 core" }),
  made("a request above the limit", "pods", { [`${C}resources/requests`]: { cpu: "2" } }),
  made("a request above the limit in other units", "pods", {
    [`${C}resources`]: { limits: { memory: "1M", cpu: "100m" }, requests: { memory: "1Mi", cpu: "0.1" } },
  }),
  made("a negative quantity", "pods", { [`${C}resources/limits/memory`]: "-1Mi" }),
  made("a bad environment name", "pods", { [`${C}env`]: [{ name: "1=A", value: "x" }] }),
  made("a value and a source", "pods", {
    [`${C}env`]: [{ name: "A", value: "x", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  }),
  made("a field that is not for environments", "pods", {
    [`${C}env`]: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.image" } } }],
  }),
  made("a probe of two kinds", "pods", { [`${C}readinessProbe/exec`]: { command: ["true"] } }),
  made("a probe of no kind", "pods", { [`${C}readinessProbe`]: { periodSeconds: 5 } }),
  made("a probe's bad port", "pods", { [`${C}readinessProbe/httpGet/port`]: 70000 }),
  made("a liveness probe's success threshold", "pods", {
    [`${C}livenessProbe`]: { tcpSocket: { port: 80 }, successThreshold: 2 },
  }),
  made("a probe's negative period", "pods", { [`${C}readinessProbe/periodSeconds`]: -1 }),
  made("a container's port out of range", "pods", { [`${C}ports/0/containerPort`]: 65536 }),
  made("two ports of one name", "pods", { [`${C}ports/1/name`]: "http" }),
  made("a port's name that is too long", "pods", { [`${C}ports/0/name`]: "this-name-is-too-long" }),
  made("a bad protocol", "pods", { [`${C}ports/0/protocol`]: "HTTP" }),
  made("a bad restart policy", "pods", { "spec/restartPolicy": "Sometimes" }),
  made("a bad pull policy", "pods", { [`${C}imagePullPolicy`]: "Often" }),
  made("a bad toleration", "pods", { "spec/tolerations": [{ operator: "Like", key: "a" }] }),
  made("a bad DNS policy", "pods", { "spec/dnsPolicy": "Mine" }),
  made("DNS of one's own without servers", "pods", { "spec/dnsPolicy": "None" }),
  made("a bad node selector", "pods", { "spec/nodeSelector": { "a b": "c" } }),
  made("a service account that is not there", "pods", { "spec/serviceAccountName": "nobody" }),
  made("a host's port without its network's", "pods", { "spec/hostNetwork": true, [`${C}ports/0/hostPort`]: 81 }),
  made("a relative mount path of nothing", "pods", { [`${C}volumeMounts/0/mountPath`]: "" }),
  made("a sub path that leaves", "pods", { [`${C}volumeMounts/0/subPath`]: "../x" }),
  made("a negative grace period", "pods", { "spec/terminationGracePeriodSeconds": -5 }),
  made("a bad host name", "pods", { "spec/hostname": "a.b" }),
  replaced("a pod's other container", "pods", { [`${C}command`]: ["sleep"] }),
  patched("a pod's other node", "pods", MERGE, { spec: { nodeName: "elsewhere", hostNetwork: true } }),
];

const WORKLOADS: readonly Mistake[] = [
  made("negative replicas", "deployments", { "spec/replicas": -1 }),
  made("no selector", "deployments", { "spec/selector": undefined }),
  made("an empty selector", "deployments", { "spec/selector": {} }),
  made("a selector that does not match", "deployments", { "spec/selector/matchLabels/app": "b" }),
  made("a template without labels", "deployments", { "spec/template/metadata": {} }),
  made("no template", "deployments", { "spec/template": undefined }),
  made("a template that never restarts", "deployments", { "spec/template/spec/restartPolicy": "Never" }),
  made("an operator that does not exist", "deployments", {
    "spec/selector/matchExpressions": [{ key: "app", operator: "Like", values: ["a"] }],
  }),
  made("In without values", "deployments", { "spec/selector/matchExpressions": [{ key: "app", operator: "In" }] }),
  made("a strategy that does not exist", "deployments", { "spec/strategy": { type: "BlueGreen" } }),
  made("no surge and nothing unavailable", "deployments", {
    "spec/strategy": { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } },
  }),
  made("recreate with a rolling update", "deployments", {
    "spec/strategy": { type: "Recreate", rollingUpdate: { maxSurge: 1 } },
  }),
  made("a surge that is no percentage", "deployments", { "spec/strategy/rollingUpdate/maxSurge": "lots" }),
  made("a deadline below the readiness", "deployments", {
    "spec/minReadySeconds": 60,
    "spec/progressDeadlineSeconds": 30,
  }),
  made("a template's negative grace", "deployments", { "spec/template/spec/terminationGracePeriodSeconds": -5 }),
  made("a template's bad image", "deployments", { [`${T}image`]: " nginx" }),
  replaced("a deployment's other selector", "deployments", {
    "spec/selector/matchLabels": { tier: "web" },
  }),
  replaced("a stateful set's other service", "statefulsets", { "spec/serviceName": "other" }),
  made("a stateful set's bad policy", "statefulsets", { "spec/podManagementPolicy": "Random" }),
  replaced("a job's other template", "jobs", { [`${T}image`]: "busybox:2" }),
  made("a job that always restarts", "jobs", { "spec/template/spec/restartPolicy": "Always" }),
  made("a job without a restart policy", "jobs", { "spec/template/spec/restartPolicy": undefined }),
  made("a job's negative parallelism", "jobs", { "spec/parallelism": -1 }),
  made("a job's selector of its own", "jobs", { "spec/selector": { matchLabels: { app: "a" } } }),
  made("an indexed job without completions", "jobs", {
    "spec/completionMode": "Indexed",
    "spec/completions": undefined,
  }),
  made("a bad schedule", "cronjobs", { "spec/schedule": "every minute" }),
  made("a schedule with six fields", "cronjobs", { "spec/schedule": "0 * * * * *" }),
  made("a schedule out of range", "cronjobs", { "spec/schedule": "61 * * * *" }),
  made("a bad time zone", "cronjobs", { "spec/timeZone": "Mars/Base" }),
  made("a time zone in the schedule", "cronjobs", { "spec/schedule": "TZ=UTC 0 * * * *" }),
  made("a bad concurrency policy", "cronjobs", { "spec/concurrencyPolicy": "Maybe" }),
  made("a daemon set's surge with nothing", "daemonsets", {
    "spec/updateStrategy": { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0 } },
  }),
];

const NETWORK: readonly Mistake[] = [
  made("no ports", "services", { "spec/ports": [] }),
  made("two ports of one number", "services", {
    "spec/ports": [
      { name: "a", port: 80 },
      { name: "b", port: 80 },
    ],
  }),
  made("two service ports of one name", "services", { "spec/ports/1/name": "http" }),
  made("many ports without names", "services", { "spec/ports": [{ port: 80 }, { port: 81 }] }),
  made("a service's port out of range", "services", { "spec/ports/0/port": 0 }),
  made("a bad target port", "services", { "spec/ports/0/targetPort": "Web_Port" }),
  made("a bad type", "services", { "spec/type": "Loadbalancer" }),
  made("a node port out of range", "services", { "spec/type": "NodePort", "spec/ports/0/nodePort": 80 }),
  made("a node port without its type", "services", { "spec/ports/0/nodePort": 30080 }),
  made("a bad cluster address", "services", { "spec/clusterIP": "10.0.0" }),
  made("a cluster address out of range", "services", { "spec/clusterIP": "192.168.1.1" }),
  made("an external name that is missing", "services", { "spec/type": "ExternalName", "spec/clusterIP": undefined }),
  made("a bad affinity", "services", { "spec/sessionAffinity": "Cookie" }),
  made("a selector's bad value", "services", { "spec/selector": { app: "a b" } }),
  replaced("a service's other address", "services", { "spec/clusterIP": "10.96.99.99" }),
  made("a bad CIDR", "networkpolicies", { "spec/ingress/0/from/1/ipBlock/cidr": "10.0.0.0" }),
  made("an exception outside of its block", "networkpolicies", {
    "spec/ingress/0/from/1/ipBlock/except": ["11.0.0.0/16"],
  }),
  made("an exception that is the whole block", "networkpolicies", {
    "spec/ingress/0/from/1/ipBlock/except": ["10.0.0.0/8"],
  }),
  made("a peer of two kinds", "networkpolicies", { "spec/ingress/0/from/0/ipBlock": { cidr: "10.0.0.0/8" } }),
  made("an empty peer", "networkpolicies", { "spec/ingress/0/from/0": {} }),
  made("a policy's bad protocol", "networkpolicies", { "spec/ingress/0/ports/0/protocol": "HTTP" }),
  made("an end port below the port", "networkpolicies", { "spec/ingress/0/ports/0/endPort": 79 }),
  made("an end port with a name", "networkpolicies", { "spec/egress/0/ports/0/endPort": 79 }),
  made("a bad policy type", "networkpolicies", { "spec/policyTypes": ["ingress"] }),
  made("a bad selector in a policy", "networkpolicies", { "spec/podSelector": { matchLabels: { app: "a b" } } }),
  made("a slice's bad address", "endpointslices", { "endpoints/0/addresses": ["10.0.0"] }),
  made("an endpoint's bad address", "endpoints", { "subsets/0/addresses/0/ip": "web.example.com" }),
  made("a role's rule without verbs", "roles", { "rules/0/verbs": [] }),
  made("a role's rule without resources", "roles", { "rules/0/resources": undefined }),
  replaced("a binding's other role", "rolebindings", { "roleRef/name": "two" }),
  made("a binding's subject without a name", "rolebindings", { "subjects/1/name": "" }),
  made("a binding of an unknown kind", "rolebindings", { "roleRef/kind": "Rolle" }),
  made("a lease of no time", "leases", { "spec/leaseDurationSeconds": 0 }),
  made("a widget that is too large", "widgets", { "spec/size": 101 }),
  made("a widget's size as text", "widgets", { "spec/size": "3" }),
  made("a widget's part without its key", "widgets", { "spec/parts": [{ weight: 1 }] }),
  made("a widget's part twice", "widgets", { "spec/parts": [{ id: "a" }, { id: "a" }] }),
  made("a widget's tag twice", "widgets", { "spec/tags": ["x", "x"] }),
];

export const MISTAKEN_OBJECTS: readonly Mistake[] = [
  ...NAMES,
  ...SHAPES,
  ...PODS,
  ...WORKLOADS,
  ...NETWORK,
  ...READINGS,
];
