import { Deployments, KubeError, type KubeObject, Pods, ReplicaSets } from "../../kube/client/index.ts";
import { controllerOf, equalJson } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOf, keyOfObject } from "../object-cache.ts";
import { annotationsOf, hasEnded, numberOf, specOf, statusOf, stays } from "../objects.ts";
import {
  collides,
  type DeploymentPlan,
  planDeployment,
  REVISION,
  replicasAnnotations,
  setAnnotations,
  sortSets,
} from "./reconcile.ts";
import { replicasOf, type Scaling } from "./rollout.ts";
import { deadlineIn, deploymentStatus, type Sets } from "./status.ts";

const COMPONENT = "deployment-controller";

/** Runs deployments: a replica set for each template, and the way from one to the next. */
export function startDeployments(context: ControllerContext): void {
  const deployments = context.cache(Deployments);
  const sets = context.cache(ReplicaSets);
  const pods = context.cache(Pods);
  const queue = context.queue(COMPONENT, sync);
  const addOwner = (set: KubeObject): void => {
    const controller = controllerOf(set);
    if (controller?.kind === "Deployment") queue.add(keyOf(controller.name, set.metadata.namespace));
    else if (!controller) for (const item of deployments.list(set.metadata.namespace)) queue.add(keyOfObject(item));
  };
  // Recreate waits until the last old pod is gone.
  const addGrandparent = (pod: KubeObject): void => {
    const controller = controllerOf(pod);
    const set = controller?.kind === "ReplicaSet" ? sets.get(controller.name, pod.metadata.namespace) : undefined;
    if (set) addOwner(set);
  };
  deployments.on({
    onAdd: (item) => queue.add(keyOfObject(item)),
    onUpdate: (_, item) => queue.add(keyOfObject(item)),
  });
  sets.on({ onAdd: addOwner, onUpdate: (_, set) => addOwner(set), onDelete: addOwner });
  pods.on({ onDelete: addGrandparent });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const deployment = deployments.get(name, namespace);
    if (!deployment || !stays(deployment)) return;
    const own = await applyClaim(context, deployment, ReplicaSets, claim(deployment, sets.list(namespace)));
    const sorted = sortSets(deployment, own.filter(stays));
    const plan = planDeployment(deployment, sorted, oldPodsRun(sorted, pods.list(namespace)));
    await carryOut(context, deployment, sorted, plan);
    const after = sortSets(deployment, claim(deployment, sets.list(namespace)).held.filter(stays));
    const status = await say(context, deployment, after, plan.revision);
    const wait = deadlineIn(deployment, status, context.now());
    if (wait !== undefined) queue.addAfter(key, wait + 1000);
  }
}

function oldPodsRun({ olds }: Sets, pods: readonly KubeObject[]): boolean {
  const owners = new Set(olds.map((set) => set.metadata.uid));
  return pods.some((pod) => owners.has(controllerOf(pod)?.uid) && !hasEnded(pod));
}

async function carryOut(
  context: ControllerContext,
  deployment: KubeObject,
  sets: Sets,
  plan: DeploymentPlan,
): Promise<void> {
  if (plan.create) await createSet(context, deployment, plan.create);
  else if (sets.newest) await annotate(context, deployment, sets.newest, plan);
  for (const scaling of plan.scale) await scale(context, deployment, scaling, plan.revision, sets.newest);
  await Promise.all(plan.remove.map((set) => context.delete(ReplicaSets, set)));
}

async function createSet(context: ControllerContext, deployment: KubeObject, wanted: KubeObject): Promise<void> {
  try {
    await context.create(ReplicaSets, wanted);
  } catch (error) {
    if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
    const existing = await context.client.get(ReplicaSets, wanted.metadata.name, wanted.metadata.namespace);
    if (!collides(existing, wanted)) return;
    const collisionCount = numberOf(statusOf(deployment).collisionCount) + 1;
    await context.updateStatus(Deployments, { ...deployment, status: { ...statusOf(deployment), collisionCount } });
    return;
  }
  const count = replicasOf(wanted);
  if (count > 0) recordScaling(context, deployment, wanted, 0, count);
}

/** The newest set carries the revision, also when an older template comes back (rollback). */
async function annotate(
  context: ControllerContext,
  deployment: KubeObject,
  newest: KubeObject,
  plan: DeploymentPlan,
): Promise<void> {
  const annotations = { ...annotationsOf(newest), ...setAnnotations(deployment, plan.revision) };
  const scaled = plan.scale.some((scaling) => scaling.set === newest);
  const { minReadySeconds } = specOf(deployment);
  const sameReady = numberOf(specOf(newest).minReadySeconds) === numberOf(minReadySeconds);
  if (scaled || (equalJson(annotations, annotationsOf(newest)) && sameReady)) return;
  const spec = { ...specOf(newest), ...(minReadySeconds === undefined ? {} : { minReadySeconds }) };
  await context.update(ReplicaSets, { ...newest, metadata: { ...newest.metadata, annotations }, spec });
}

async function scale(
  context: ControllerContext,
  deployment: KubeObject,
  { set, replicas }: Scaling,
  revision: number,
  newest: KubeObject | undefined,
): Promise<void> {
  const own = set === newest ? setAnnotations(deployment, revision) : replicasAnnotations(deployment);
  const annotations = { ...annotationsOf(set), ...own };
  await context.update(ReplicaSets, {
    ...set,
    metadata: { ...set.metadata, annotations },
    spec: { ...specOf(set), replicas },
  });
  recordScaling(context, deployment, set, replicasOf(set), replicas);
}

function recordScaling(
  context: ControllerContext,
  deployment: KubeObject,
  set: KubeObject,
  from: number,
  to: number,
): void {
  const message = `Scaled ${to > from ? "up" : "down"} replica set ${set.metadata.name} from ${from} to ${to}`;
  context.events.record(deployment, { type: "Normal", reason: "ScalingReplicaSet", message, component: COMPONENT });
}

async function say(context: ControllerContext, deployment: KubeObject, sets: Sets, revision: number) {
  let current = deployment;
  if (sets.newest && annotationsOf(deployment)[REVISION] !== String(revision)) {
    const { name, namespace, resourceVersion } = deployment.metadata;
    const patch = { metadata: { resourceVersion, annotations: { [REVISION]: String(revision) } } };
    const options = { ...(namespace ? { namespace } : {}), type: "merge" as const };
    current = context.cache(Deployments).wrote(await context.client.patch(Deployments, name, patch, options));
  }
  const status = deploymentStatus(current, sets, context.now());
  if (!equalJson(statusOf(current), status)) await context.updateStatus(Deployments, { ...current, status });
  return status;
}
