import { type Fields, fieldsOf, type KubeObject } from "../../object.ts";
import { forbidden } from "../../status.ts";
import { itemsOf, setDefault } from "../defaults/pod.ts";
import { declareKind, type KindDeclaration, type Preparation, type ResourceKind, statusOf } from "../kind.ts";

/** A kind that is kept and shown as Kubernetes does, so that charts install, and that nothing in a lab acts on: `warning` says what holds instead. */
function inert(declaration: KindDeclaration, warning: string): ResourceKind {
  const { kind, strategy } = declaration;
  return declareKind({
    subresources: [statusOf(kind)],
    ...declaration,
    strategy: { ...strategy, advise: () => [`${kind} has no effect in this lab: ${warning}`] },
  });
}

/** Where a request is not said, the limit is it. */
function defaultLimits(range: KubeObject): void {
  for (const limit of itemsOf(fieldsOf(range.spec), "limits")) {
    if (limit.type !== "Container") continue;
    const given = fieldsOf(limit.default);
    const most = { ...fieldsOf(limit.max), ...given };
    if (Object.keys(most).length > 0) limit.default = most;
    const requests = { ...fieldsOf(limit.min), ...most, ...fieldsOf(limit.defaultRequest) };
    if (Object.keys(requests).length > 0) limit.defaultRequest = requests;
  }
}

function defaultClass({ spec }: KubeObject): void {
  const { parameters } = fieldsOf(spec);
  if (parameters) setDefault(fieldsOf(parameters), "scope", "Cluster");
}

function defaultClaim(claim: KubeObject): void {
  setDefault(fieldsOf(claim.spec), "volumeMode", "Filesystem");
  claim.status ??= { phase: "Pending" };
}

const MOST_USED = {
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
};

function scalingRules(behavior: Fields, direction: "scaleUp" | "scaleDown"): void {
  const isUp = direction === "scaleUp";
  setDefault(behavior, direction, {});
  const rules = fieldsOf(behavior[direction]);
  if (isUp) setDefault(rules, "stabilizationWindowSeconds", 0);
  setDefault(rules, "selectPolicy", "Max");
  const share = { type: "Percent", value: 100, periodSeconds: 15 };
  setDefault(rules, "policies", isUp ? [{ type: "Pods", value: 4, periodSeconds: 15 }, share] : [share]);
}

function defaultScaler(scaler: KubeObject): void {
  const spec = fieldsOf(scaler.spec);
  setDefault(spec, "minReplicas", 1);
  setDefault(spec, "metrics", [structuredClone(MOST_USED)]);
  const behavior = spec.behavior as Fields | undefined;
  if (behavior) for (const direction of ["scaleUp", "scaleDown"] as const) scalingRules(behavior, direction);
}

const CLASSES = { group: "scheduling.k8s.io", resource: "priorityclasses", kind: "PriorityClass" };

/** One class at most is the one for all pods. Throws 403. */
function oneForAll(next: KubeObject, { list }: Preparation): void {
  if (fieldsOf(next).globalDefault !== true) return;
  const { name } = next.metadata;
  const other = list("scheduling.k8s.io/priorityclasses").find(
    (one) => one.metadata.name !== name && fieldsOf(one).globalDefault === true,
  );
  const why = `PriorityClass ${other?.metadata.name} is already marked as default. Only one default can exist`;
  if (other) throw forbidden(CLASSES, name, why);
}

const NO_STATUS = { subresources: [] };

/** Kinds of charts that are taken with a warning (docs/decisions/0052). */
export const inertKinds: readonly ResourceKind[] = [
  inert(
    {
      ...{ group: "", version: "v1", kind: "ResourceQuota", resource: "resourcequotas", shortNames: ["quota"] },
      namespaced: true,
    },
    "nothing is counted, and nothing refused for being too much",
  ),
  inert(
    {
      ...{ group: "", version: "v1", kind: "LimitRange", resource: "limitranges", shortNames: ["limits"] },
      ...NO_STATUS,
      namespaced: true,
      strategy: { fillDefaults: defaultLimits },
    },
    "containers get no limits from it, and none is refused",
  ),
  inert(
    {
      ...{ group: "", version: "v1", kind: "PersistentVolumeClaim", resource: "persistentvolumeclaims" },
      shortNames: ["pvc"],
      namespaced: true,
      strategy: {
        fillDefaults: defaultClaim,
        prepareCreate: (claim) => {
          claim.status = { phase: "Pending" };
        },
      },
    },
    "there is no storage, it stays Pending, and pods that mount it are refused; mount an emptyDir instead",
  ),
  inert(
    {
      ...{ group: "policy", version: "v1", kind: "PodDisruptionBudget", resource: "poddisruptionbudgets" },
      ...{ shortNames: ["pdb"], namespaced: true, counted: true },
    },
    "evictions do not ask it",
  ),
  inert(
    {
      ...{ group: "networking.k8s.io", version: "v1", kind: "Ingress", resource: "ingresses", shortNames: ["ing"] },
      ...{ namespaced: true, counted: true },
    },
    "no controller routes for it; reach its service by kubectl port-forward or a NodePort",
  ),
  inert(
    {
      ...{ group: "networking.k8s.io", version: "v1", kind: "IngressClass", resource: "ingressclasses" },
      ...{ ...NO_STATUS, namespaced: false, counted: true },
      strategy: { fillDefaults: defaultClass },
    },
    "there is no ingress controller",
  ),
  inert(
    {
      ...{ group: "scheduling.k8s.io", version: "v1", kind: "PriorityClass", resource: "priorityclasses" },
      ...{ ...NO_STATUS, shortNames: ["pc"], namespaced: false, counted: true },
      strategy: {
        fillDefaults: (object) => setDefault(fieldsOf(object), "preemptionPolicy", "PreemptLowerPriority"),
        prepareCreate: oneForAll,
        prepareUpdate: (next, _old, preparation) => oneForAll(next, preparation),
      },
    },
    "pods get its number, and none is preferred to another",
  ),
  inert(
    {
      ...{ group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler", resource: "horizontalpodautoscalers" },
      ...{ shortNames: ["hpa"], categories: ["all"], namespaced: true },
      strategy: { fillDefaults: defaultScaler },
    },
    "nothing is measured, so replicas stay as they are; use kubectl scale",
  ),
];
