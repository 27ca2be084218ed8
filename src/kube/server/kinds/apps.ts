import { type Fields, fieldsOf, type KubeObject } from "../../object.ts";
import {
  claimAdvice,
  countTemplates,
  defaultDaemonSet,
  defaultDeployment,
  defaultReplicaSet,
  defaultStatefulSet,
} from "../defaults/workload.ts";
import { declareKind, type KindDeclaration, type ResourceKind, SCALE, statusOf } from "../kind.ts";

/** A pod's own negative grace period becomes one second at once; a template keeps it, and whoever wrote it is told. */
function graceAdvice({ spec }: KubeObject): string[] {
  const grace = fieldsOf(fieldsOf(fieldsOf(spec).template).spec).terminationGracePeriodSeconds;
  const field = "spec.template.spec.terminationGracePeriodSeconds";
  return Number(grace) < 0 ? [`${field}: must be >= 0; negative values are invalid and will be treated as 1`] : [];
}

function workload(
  rest: Pick<KindDeclaration, "kind" | "resource" | "shortNames" | "subresources" | "strategy">,
): ResourceKind {
  return declareKind({
    group: "apps",
    version: "v1",
    namespaced: true,
    categories: ["all"],
    counted: true,
    ...rest,
    strategy: {
      ...rest.strategy,
      advise: (object) => [...(rest.strategy?.advise?.(object) ?? []), ...graceAdvice(object)],
    },
  });
}

/** The status of a new object, until its controller says more. */
function startWith(status: Fields): (object: KubeObject) => void {
  return (object) => {
    object.status = { ...status };
  };
}

/** The kinds of apps/v1 that the lab's controllers run. */
export const appsKinds: readonly ResourceKind[] = [
  workload({
    kind: "Deployment",
    resource: "deployments",
    shortNames: ["deploy"],
    subresources: [statusOf("Deployment"), SCALE],
    strategy: { fillDefaults: defaultDeployment, prepareCreate: startWith({}) },
  }),
  workload({
    kind: "ReplicaSet",
    resource: "replicasets",
    shortNames: ["rs"],
    subresources: [statusOf("ReplicaSet"), SCALE],
    strategy: {
      fillDefaults: defaultReplicaSet,
      prepareCreate: startWith({ replicas: 0 }),
    },
  }),
  workload({
    kind: "DaemonSet",
    resource: "daemonsets",
    shortNames: ["ds"],
    subresources: [statusOf("DaemonSet")],
    strategy: {
      fillDefaults: defaultDaemonSet,
      prepareCreate: (object) => {
        object.status = {};
        countTemplates(object);
      },
      prepareUpdate: countTemplates,
    },
  }),
  workload({
    kind: "StatefulSet",
    resource: "statefulsets",
    shortNames: ["sts"],
    subresources: [statusOf("StatefulSet"), SCALE],
    strategy: {
      fillDefaults: defaultStatefulSet,
      prepareCreate: startWith({ replicas: 0, availableReplicas: 0 }),
      advise: claimAdvice,
    },
  }),
  declareKind({
    group: "apps",
    version: "v1",
    kind: "ControllerRevision",
    resource: "controllerrevisions",
    namespaced: true,
  }),
];
