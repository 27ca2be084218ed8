import { timestamp } from "../kube/object.ts";
import type { Container, Pod, PodCondition } from "./pod.ts";

export interface Terminated {
  readonly exitCode: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

/** What the kubelet knows of one container. */
export interface ContainerView {
  readonly container: Container;
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly runningSinceMs?: number;
  readonly terminated?: Terminated;
  readonly last?: Terminated;
  readonly restarts: number;
  readonly ready: boolean;
  readonly started: boolean;
  readonly id?: string;
}

export interface PodView {
  readonly init: readonly ContainerView[];
  readonly containers: readonly ContainerView[];
  readonly ephemeral?: readonly ContainerView[];
  /** Of each family one, IPv4 first; empty while there is none. */
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  readonly startedAtMs: number;
  /** False until the sandbox has its network. */
  readonly sandboxReady: boolean;
  /** Set when the pod as a whole is over for a reason of its own. */
  readonly failure?: { readonly reason: string; readonly message: string };
}

/** A pod of which nothing is started, because of what its spec asks for. */
export function refusedView(pod: Pod, hostIPs: readonly string[], startedAtMs: number, message: string): PodView {
  const waiting = { reason: "CreateContainerConfigError", message };
  const refused = (container: Container): ContainerView => ({
    container,
    waiting,
    restarts: 0,
    ready: false,
    started: false,
  });
  const init = (pod.spec.initContainers ?? []).map(refused);
  return {
    init,
    containers: pod.spec.containers.map(refused),
    podIPs: [],
    hostIPs,
    startedAtMs,
    sandboxReady: false,
  };
}

type Json = Record<string, unknown>;

function terminatedState(end: Terminated, id: string | undefined): Json {
  return {
    exitCode: end.exitCode,
    reason: end.reason,
    ...(end.message ? { message: end.message } : {}),
    startedAt: timestamp(end.startedAtMs),
    finishedAt: timestamp(end.finishedAtMs),
    ...(id ? { containerID: id } : {}),
  };
}

function stateOf(view: ContainerView): Json {
  if (view.terminated) return { terminated: terminatedState(view.terminated, view.id) };
  if (view.runningSinceMs !== undefined) return { running: { startedAt: timestamp(view.runningSinceMs) } };
  const { reason, message } = view.waiting ?? { reason: "ContainerCreating" };
  return { waiting: message ? { reason, message } : { reason } };
}

function containerStatus(view: ContainerView): Json {
  const image = view.container.image ?? "";
  return {
    name: view.container.name,
    state: stateOf(view),
    lastState: view.last ? { terminated: terminatedState(view.last, view.id) } : {},
    ready: view.ready,
    started: view.started,
    restartCount: view.restarts,
    image,
    imageID: view.id ? `shieldgate://${image}` : "",
    ...(view.id ? { containerID: view.id } : {}),
  };
}

/** True for an init container that goes on beside the pod's own containers. */
export function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === "Always";
}

/** Exit codes end a pod only when nothing may start again. */
function phaseOf(pod: Pod, view: PodView): string {
  if (view.failure) return "Failed";
  const policy = pod.spec.restartPolicy ?? "Always";
  const initFailed =
    policy === "Never" &&
    view.init.some((item) => !isSidecar(item.container) && (item.terminated?.exitCode ?? 0) !== 0);
  if (initFailed) return "Failed";
  const begun = view.containers.some((item) => item.runningSinceMs !== undefined || item.terminated || item.last);
  if (!begun) return "Pending";
  // a sidecar that still runs keeps the pod from being over
  const isLeft = view.init.some((item) => isSidecar(item.container) && item.runningSinceMs !== undefined);
  const ended = !isLeft && view.containers.every((item) => item.terminated !== undefined);
  if (!ended || policy === "Always") return "Running";
  const failed = view.containers.some((item) => item.terminated!.exitCode !== 0);
  if (failed) return policy === "OnFailure" ? "Running" : "Failed";
  return "Succeeded";
}

function conditionsOf(pod: Pod, view: PodView, phase: string, nowMs: number): PodCondition[] {
  const over = phase === "Succeeded" ? "PodCompleted" : phase === "Failed" ? "PodFailed" : undefined;
  const watched = [...view.init.filter((item) => isSidecar(item.container)), ...view.containers];
  const unready = watched.filter((item) => !item.ready).map((item) => item.container.name);
  const isDone = (item: ContainerView) => (isSidecar(item.container) ? item.started : item.terminated?.exitCode === 0);
  const incomplete = view.init.filter((item) => !isDone(item)).map((item) => item.container.name);
  const notReady = {
    reason: over ?? "ContainersNotReady",
    message: `containers with unready status: [${unready.join(" ")}]`,
  };
  const ready = unready.length === 0 && incomplete.length === 0;
  const wanted: PodCondition[] = [
    { type: "PodReadyToStartContainers", status: view.sandboxReady ? "True" : "False" },
    incomplete.length === 0
      ? { type: "Initialized", status: "True", ...(over ? { reason: over } : {}) }
      : {
          type: "Initialized",
          status: "False",
          reason: "ContainersNotInitialized",
          message: `containers with incomplete status: [${incomplete.join(" ")}]`,
        },
    { type: "Ready", status: ready ? "True" : "False", ...(ready ? {} : notReady) },
    { type: "ContainersReady", status: ready ? "True" : "False", ...(ready ? {} : notReady) },
    { type: "PodScheduled", status: "True" },
  ];
  const earlier = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const own = new Set(wanted.map((condition) => condition.type));
  return [
    ...wanted.map((condition) => {
      const before = earlier.get(condition.type);
      const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
      return { ...condition, lastTransitionTime: since ?? timestamp(nowMs) };
    }),
    ...[...earlier.values()].filter((condition) => !own.has(condition.type)),
  ];
}

/** The status that the API is to show. `nowMs` dates conditions that change. */
export function podStatus(pod: Pod, view: PodView, nowMs: number): Json & { phase: string } {
  const phase = phaseOf(pod, view);
  const listed = (addresses: readonly string[]) => addresses.map((ip) => ({ ip }));
  const [podIP] = view.podIPs;
  const address = podIP ? { podIP, podIPs: listed(view.podIPs) } : {};
  return {
    phase,
    conditions: conditionsOf(pod, view, phase, nowMs),
    hostIP: view.hostIPs[0],
    hostIPs: listed(view.hostIPs),
    ...address,
    startTime: timestamp(view.startedAtMs),
    ...(view.init.length > 0 ? { initContainerStatuses: view.init.map(containerStatus) } : {}),
    containerStatuses: view.containers.map(containerStatus),
    ...(view.ephemeral?.length ? { ephemeralContainerStatuses: view.ephemeral.map(containerStatus) } : {}),
    ...(view.failure ?? {}),
  };
}
