/** What of Kubernetes is proven by which test, and what is not there: the source of docs/kubernetes-coverage.md. */

/** A test by its file and its title. */
export type Proof = readonly [file: string, title: string];

const API = "src/kube/server/api-server.test.ts";
const CONTROLLERS = "src/controllers/controllers.test.ts";
const WORKLOADS = "src/controllers/workloads.test.ts";
const KUBELET = "test/kernel/kubelet.test.ts";
const LIFE = "test/kernel/kubelet-life.test.ts";
const STREAMS = "test/kernel/kubelet-exec.test.ts";
const EPHEMERAL = "src/kube/server/ephemeral-containers.test.ts";
const JOB_POLICIES = "src/controllers/job/policies.test.ts";
const ATTACH = "test/kernel/kubelet-attach.test.ts";
const CLIENT_GO = "test/differential/client-go.test.ts";
const KUBECTL = "test/compat/kubectl.test.ts";
const GOLDEN = "test/golden/kube-apiserver.test.ts";
const INERT = "src/kube/server/kinds/inert.test.ts";
const RBAC = "src/kube/server/rbac.test.ts";
const SCHEDULER = "src/controllers/scheduler/scheduler.test.ts";
const DEPLOYMENT = "src/controllers/deployment/deployment.test.ts";
const ENDPOINTS = "src/controllers/endpoints/endpoints.test.ts";
const PATCH = "src/kube/server/patch/patch.test.ts";

/** The tests that work most with each resource that is served; `group/resource`. */
export const KIND_PROOFS: Readonly<Record<string, readonly string[]>> = {
  "/limitranges": [INERT],
  "/persistentvolumeclaims": [INERT],
  "/resourcequotas": [INERT],
  "autoscaling/horizontalpodautoscalers": [INERT],
  "networking.k8s.io/ingressclasses": [INERT],
  "networking.k8s.io/ingresses": [INERT],
  "policy/poddisruptionbudgets": [INERT],
  "scheduling.k8s.io/priorityclasses": [INERT],
  "/configmaps": [CLIENT_GO, KUBECTL, KUBELET],
  "/endpoints": [CONTROLLERS, ENDPOINTS],
  "/events": [CONTROLLERS, "src/kube/server/registry.test.ts", CLIENT_GO],
  "/namespaces": [API, CONTROLLERS],
  "/nodes": [KUBELET, KUBECTL, SCHEDULER],
  "/pods": [API, KUBELET, LIFE, CLIENT_GO],
  "/secrets": [RBAC, KUBELET],
  "/serviceaccounts": [RBAC, CONTROLLERS],
  "/services": [API, "src/kube/server/service-families.test.ts", CONTROLLERS],
  "apiextensions.k8s.io/customresourcedefinitions": ["src/kube/server/custom-resources.test.ts"],
  "apps/controllerrevisions": [WORKLOADS, KUBECTL],
  "apps/daemonsets": ["src/controllers/daemonset/daemonset.test.ts"],
  "apps/deployments": [DEPLOYMENT, CONTROLLERS, KUBECTL],
  "apps/replicasets": ["src/controllers/replicaset/replicaset.test.ts", CONTROLLERS],
  "apps/statefulsets": [WORKLOADS],
  "authentication.k8s.io/selfsubjectreviews": [CLIENT_GO],
  "authentication.k8s.io/tokenreviews": [CLIENT_GO, "src/kube/server/token-review.test.ts"],
  "authorization.k8s.io/localsubjectaccessreviews": [CLIENT_GO],
  "authorization.k8s.io/selfsubjectaccessreviews": [RBAC],
  "authorization.k8s.io/selfsubjectrulesreviews": [CLIENT_GO],
  "authorization.k8s.io/subjectaccessreviews": [RBAC, CLIENT_GO],
  "batch/cronjobs": ["src/controllers/cronjob/cronjob.test.ts", WORKLOADS, KUBECTL],
  "batch/jobs": ["src/controllers/job/job.test.ts", WORKLOADS],
  "cilium.io/ciliumcidrgroups": ["src/agent/policy-kinds.test.ts", "src/policy/cidr-group.test.ts"],
  "cilium.io/ciliumclusterwidenetworkpolicies": ["src/agent/policy-kinds.test.ts", CLIENT_GO],
  "cilium.io/ciliumendpoints": ["src/controllers/operator/operator.test.ts", CONTROLLERS],
  "cilium.io/ciliumidentities": [CONTROLLERS],
  "cilium.io/ciliumnetworkpolicies": [CLIENT_GO, CONTROLLERS],
  "cilium.io/ciliumnodes": ["src/kube/printers/printers.test.ts"],
  "coordination.k8s.io/leases": [CLIENT_GO],
  "discovery.k8s.io/endpointslices": [ENDPOINTS, CONTROLLERS],
  "events.k8s.io/events": [CONTROLLERS],
  "networking.k8s.io/networkpolicies": [API],
  "policy.networking.k8s.io/clusternetworkpolicies": [
    "src/agent/policy-kinds.test.ts",
    "src/policy/cluster-network-policy.test.ts",
  ],
  "rbac.authorization.k8s.io/clusterrolebindings": [RBAC],
  "rbac.authorization.k8s.io/clusterroles": [RBAC],
  "rbac.authorization.k8s.io/rolebindings": [RBAC, KUBECTL],
  "rbac.authorization.k8s.io/roles": [RBAC, KUBECTL],
};

/** What clients and users count on, by area. */
export const BEHAVIOURS: Readonly<Record<string, readonly (readonly [behaviour: string, ...proof: Proof])[]>> = {
  "Reading and watching": [
    ["lists in pages of one state; a token of nonsense is refused", CLIENT_GO, "lists in pages of one state"],
    ["label and field selectors, and unknown fields refused", API, "selects by labels and fields, and refuses"],
    ["watch from a revision, through selectors", CLIENT_GO, "watches from a revision, through a selector too"],
    ["streaming lists (sendInitialEvents, bookmarks)", CLIENT_GO, "streams lists, and says where they end"],
    ["options that contradict each other", "src/kube/server/verbs/list-options.test.ts", "a list with %s"],
    ["informers through a restart of the server", CLIENT_GO, "informers synchronize, resync, and miss nothing"],
    ["tables and partial metadata", API, "shows lists and watches as tables"],
    [
      "columns, cells, defaults and `kubectl explain` of every kind, beside a real kube-apiserver's",
      GOLDEN,
      "shows objects of every kind as a real kube-apiserver did",
    ],
    ["metadata-only clients", CLIENT_GO, "reads metadata alone"],
    ["clients that prefer protobuf", CLIENT_GO, "falls back to JSON where it prefers protobuf"],
    ["discovery, aggregated and not; OpenAPI 2 and 3", CLIENT_GO, "discovers resources, new way and old"],
  ],
  Writing: [
    ["update conflicts, and retry without a lost update", CLIENT_GO, "loses no update of eight writers"],
    ["the four kinds of patch", CLIENT_GO, "patches in four ways"],
    ["server-side apply: conflict, force, giving up, status", CLIENT_GO, "applies, with conflicts and with force"],
    ["from kubectl's apply to the server's", KUBECTL, "goes over from its own apply to the server's"],
    ["strategic merge directives", PATCH, "follows $patch, $deleteFromPrimitiveList"],
    ["delete: preconditions, finalizers, collections", CLIENT_GO, "deletes under preconditions, through finalizers"],
    ["propagation: background, foreground, orphan", CLIENT_GO, "deletes what belongs to the deleted as it is asked"],
    ["dry run and generateName", API, "makes names, and drops nothing on a dry run"],
    ["refusals in Kubernetes' words", API, "says what is wrong in Kubernetes' words"],
    ["common mistakes, in a real kube-apiserver's words", GOLDEN, "says to common mistakes what a real kube-apiserver"],
    ["keys that a body has twice", "src/kube/server/repeated-keys.test.ts", "finds keys that a JSON text has twice"],
    ["what definitions may not say, rules' types too", GOLDEN, "says to common mistakes what a real kube-apiserver"],
    ["kinds of charts, kept without effect and with a warning", INERT, "is kept, with a warning"],
    ["a damaged database, and the way out", "src/kube/storage/sqlite-store.test.ts", "the commands that it names save"],
    [
      "objects that an older program wrote",
      "src/kube/server/older-objects.test.ts",
      "brings what an older program wrote up to date",
    ],
    [
      "what rules of definitions may cost at most",
      "test/golden/kube-apiserver.test.ts",
      "estimates what rules cost as a real kube-apiserver did",
    ],
    [
      "rules of definitions (CEL), on changes too",
      "src/kube/schema/cel-rules.test.ts",
      "asks rules about changes only",
    ],
    ["no acknowledged write lost to kill -9", "test/simulation/api-server-crash.test.ts", "loses nothing that it"],
    ["scale, binding, eviction", CLIENT_GO, "scales, binds and evicts"],
  ],
  Access: [
    ["401, 403, tokens, token review, impersonation", CLIENT_GO, "is told who it is, and what it may not"],
    ["impersonated groups, uid and extra values", "src/kube/server/impersonation.test.ts", "takes name, groups, uid"],
    ["roles and bindings", RBAC, "a role holds in its namespace, for its verbs"],
    ["nobody grants more than they hold", RBAC, "nobody gives away more than they hold"],
    ["a pod's own token", RBAC, "a pod gets its account's token"],
    ["tokens for an audience", "src/kube/server/token-review.test.ts", "a token is good for the audiences it was made"],
    ["leader election by leases", CLIENT_GO, "elects one leader at a time"],
  ],
  Workloads: [
    ["rolling update within its bounds", DEPLOYMENT, "keeps enough pods available and not too many"],
    ["roll back, history, pause, restart", KUBECTL, "rolls out, back, and pauses"],
    ["stateful sets: order, names, partition", WORKLOADS, "a stateful set's pods come one after the other"],
    ["jobs: completion, back-off, indexes", WORKLOADS, "a job runs as many pods as may run at once"],
    ["jobs: failure policy, every action", JOB_POLICIES, "a rule decides what a failed pod means"],
    ["jobs: limits per index, maxFailedIndexes", JOB_POLICIES, "an index fails by itself"],
    ["jobs: success policy", JOB_POLICIES, "a job has succeeded when a rule of its success policy is met"],
    ["jobs: evicted pods that do not count", WORKLOADS, "an evicted pod of a job that ignores disruptions"],
    ["jobs: deadlines", "src/controllers/job/job.test.ts", "fails at its deadline"],
    ["jobs: suspended and resumed", "src/controllers/job/job.test.ts", "has no pods and no time running while it is"],
    ["jobs: gone after their end", "src/controllers/job/job.test.ts", "goes so long after its end as it says"],
    ["jobs: what their policies may not say", "src/kube/schema/job-policies.test.ts", "a job's policies are judged"],
    ["cron jobs", WORKLOADS, "a cron job starts its job once a run"],
    ["daemon sets: placement, tolerations", "src/controllers/daemonset/daemonset.test.ts", "a tainted node only with"],
    ["endpoints by readiness, slices of each family", CONTROLLERS, "a service of both families has slices of each"],
    [
      "services of type ExternalName: CNAME, and where it leads",
      "src/dns/server.test.ts",
      "far.default.svc.cluster.local CNAME",
    ],
    ["namespaces end with all that is in them", CONTROLLERS, "a namespace gets its account, and goes"],
    ["scheduling: taints, affinity, spread", SCHEDULER, "what keeps a pod away from a node"],
    ["NoExecute taints, tolerationSeconds", WORKLOADS, "a taint that ends what runs ends pods"],
    ["cordon, drain, taint", KUBECTL, "cordons, drains and taints"],
  ],
  "Life of a pod": [
    ["init containers and sidecars", LIFE, "a sidecar is up before what comes after it"],
    ["probes: readiness and liveness", KUBELET, "readiness follows the probes, and a liveness probe restarts"],
    ["gRPC probes", "src/kubelet/grpc-probe.test.ts", "names the service, and gives up when nobody answers"],
    ["hooks", LIFE, "hooks run when a container has started"],
    ["restarts with back-off", KUBELET, "a failing container is started again"],
    ["grace and SIGKILL", KUBELET, "a container that ignores SIGTERM is killed after its grace"],
    ["activeDeadlineSeconds", LIFE, "a pod that is active beyond its deadline has failed"],
    ["ConfigMaps, Secrets, downward API", KUBELET, "configuration, secrets, files and facts reach the container"],
    ["exec over SPDY/3.1 and WebSocket, by client-go", STREAMS, "client-go runs a command over either transport"],
    ["terminal size and interrupts", STREAMS, "a terminal has its size, and interrupts"],
    [
      "attach over SPDY/3.1 and WebSocket, `kubectl run -i --rm`",
      ATTACH,
      "run -i --rm gives the program's output and its",
    ],
    ["`kubectl run -it`, terminals of containers", ATTACH, "run -it is a terminal of the container"],
    ["stdin, stdinOnce, several who are attached", ATTACH, "several see the same, and input that is open to all"],
    ["attached containers outlive the kubelet", ATTACH, "a pod outlives its kubelet with its input"],
    [
      "ephemeral containers: how they come, and stay",
      EPHEMERAL,
      "ephemeral containers come by their subresource alone",
    ],
    ["`kubectl debug`, with `--target`", ATTACH, "kubectl debug looks into a running pod"],
    [
      "`kubectl debug --copy-to`, shareProcessNamespace",
      ATTACH,
      "kubectl debug --copy-to makes a pod whose containers",
    ],
    [
      "port-forward over a WebSocket (`v4.channel.k8s.io`)",
      STREAMS,
      "port-forward over a WebSocket, as client libraries ask for it",
    ],
    ["port-forward", STREAMS, "port-forward reaches the pod's own loopback"],
    ["logs", STREAMS, "logs: tail, timestamps, limits, since, previous, follow to the end"],
  ],
};

/** Resources that a cluster has and this server does not; asking for them is answered as for any unknown kind. */
export const UNSERVED: readonly (readonly [path: string, instead: string])[] = [
  ["api/v1/persistentvolumes", "emptyDir"],
  ["api/v1/replicationcontrollers", "a Deployment (`kubectl cluster-info dump` asks for these and ends)"],
  ["api/v1/componentstatuses", "`kubectl get --raw '/readyz?verbose'`"],
  ["api/v1/podtemplates", "a Deployment"],
  ["apis/storage.k8s.io/v1/storageclasses", "emptyDir"],
  ["apis/node.k8s.io/v1/runtimeclasses", "nothing: there is one runtime"],
  ["apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", "nothing: rules in the CRD (CEL)"],
  ["apis/certificates.k8s.io/v1/certificatesigningrequests", "`kubectl create token`"],
];

/** What a served kind cannot do here, what to do instead, and the test that sees it refused by name. */
export const REFUSED: readonly (readonly [what: string, instead: string, ...proof: Proof])[] = [
  [
    "fields that the sandbox cannot honour",
    "what the event says",
    KUBELET,
    "what the sandbox cannot honour is refused",
  ],
  [
    "`kubectl debug node/…` in the node's own namespaces, and profiles that give capabilities",
    "`kubectl debug node/… --profile=baseline`, `kubectl exec` into the pods of the node's agent; `kubectl debug` without a profile",
    ATTACH,
    "what an ephemeral container or a node's debugger asks for in vain",
  ],
  ["`kubectl top`", "hubble and the agent's metrics", KUBECTL, "explains, and lists what is served"],
];
