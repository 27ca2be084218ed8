import { type Fields, fieldsOf, type KubeObject } from "../object.ts";
import { AGE, type Column, count, NAME, objectsOf, specOf, statusOf, text, wide } from "./column.ts";
import { since } from "./duration.ts";

/** What the containers of a pod say together. */
interface Summary {
  reason: string;
  restarts: number;
  ready: number;
  total: number;
  lastRestart: string;
}

interface Init {
  readonly done: boolean;
  readonly reason: string;
  readonly restarts: number;
  readonly sidecarRestarts: number;
  readonly sidecarsReady: number;
}

const state = (status: Fields, name: string): Fields | undefined => {
  const found = fieldsOf(status.state)[name];
  return found === undefined || found === null ? undefined : fieldsOf(found);
};

function endText(terminated: Fields): string {
  if (terminated.reason) return String(terminated.reason);
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${count(terminated.exitCode)}`;
}

function lastEnd(statuses: readonly Fields[]): string {
  const ends = statuses.map((status) => text(fieldsOf(fieldsOf(status.lastState).terminated).finishedAt));
  return ends.sort().at(-1) ?? "";
}

/** What holds an init container up; undefined when it is past its work. */
function initReason(status: Fields, sidecar: boolean, place: string): string | undefined {
  const terminated = state(status, "terminated");
  if (terminated && count(terminated.exitCode) === 0) return undefined;
  if (sidecar && status.started === true) return undefined;
  if (terminated) return `Init:${endText(terminated)}`;
  const waiting = state(status, "waiting")?.reason;
  return waiting && waiting !== "PodInitializing" ? `Init:${waiting}` : `Init:${place}`;
}

function initSummary(pod: KubeObject): Init {
  const containers = objectsOf(specOf(pod).initContainers);
  const sidecars = new Set(containers.filter((item) => item.restartPolicy === "Always").map((item) => item.name));
  let [restarts, sidecarRestarts, sidecarsReady] = [0, 0, 0];
  for (const [index, status] of objectsOf(statusOf(pod).initContainerStatuses).entries()) {
    const sidecar = sidecars.has(status.name);
    restarts += count(status.restartCount);
    if (sidecar) sidecarRestarts += count(status.restartCount);
    const reason = initReason(status, sidecar, `${index}/${containers.length}`);
    if (reason !== undefined) return { done: false, reason, restarts, sidecarRestarts, sidecarsReady };
    if (sidecar && status.ready === true) sidecarsReady++;
  }
  return { done: true, reason: "", restarts, sidecarRestarts, sidecarsReady };
}

function hasCondition(pod: KubeObject, type: string): boolean {
  return objectsOf(statusOf(pod).conditions).some((item) => item.type === type && item.status === "True");
}

/** The reason of the first container that does not simply run. */
function containersSummary(statuses: readonly Fields[]): { reason: string; ready: number; restarts: number } {
  let reason = "";
  let ready = 0;
  for (const status of [...statuses].reverse()) {
    const waiting = state(status, "waiting")?.reason;
    const terminated = state(status, "terminated");
    if (waiting) reason = String(waiting);
    else if (terminated) reason = endText(terminated);
    else if (status.ready === true && state(status, "running")) ready++;
  }
  return { reason, ready, restarts: statuses.reduce((sum, status) => sum + count(status.restartCount), 0) };
}

function baseReason(pod: KubeObject): string {
  const status = statusOf(pod);
  const gated = objectsOf(status.conditions).some(
    (item) => item.type === "PodScheduled" && item.reason === "SchedulingGated",
  );
  return gated ? "SchedulingGated" : text(status.reason, text(status.phase));
}

let last: { readonly pod: KubeObject; readonly summary: Summary } | undefined;

/** Three cells of a row ask for the same. */
function summaryOf(pod: KubeObject): Summary {
  if (last?.pod !== pod) last = { pod, summary: summarize(pod) };
  return last.summary;
}

function summarize(pod: KubeObject): Summary {
  const status = statusOf(pod);
  const init = initSummary(pod);
  const sidecars = objectsOf(specOf(pod).initContainers).filter((item) => item.restartPolicy === "Always").length;
  const total = objectsOf(specOf(pod).containers).length + sidecars;
  const initStatuses = objectsOf(status.initContainerStatuses);
  if (!init.done && !hasCondition(pod, "Initialized")) {
    const lastRestart = lastEnd(initStatuses);
    return { reason: init.reason, restarts: init.restarts, ready: init.sidecarsReady, total, lastRestart };
  }
  const statuses = objectsOf(status.containerStatuses);
  const main = containersSummary(statuses);
  let reason = main.reason || init.reason || baseReason(pod);
  if (reason === "Completed" && main.ready > 0) reason = hasCondition(pod, "Ready") ? "Running" : "NotReady";
  const restarts = main.restarts + init.sidecarRestarts;
  return { reason, restarts, ready: main.ready + init.sidecarsReady, total, lastRestart: lastEnd(statuses) };
}

/** What STATUS shows: the phase, or the reason why a container does not run, or that the pod ends. */
function podStatusText(pod: KubeObject): string {
  const status = statusOf(pod);
  const ended = status.phase === "Succeeded" || status.phase === "Failed";
  if (pod.metadata.deletionTimestamp && status.reason === "NodeLost") return "Unknown";
  if (pod.metadata.deletionTimestamp && !ended) return "Terminating";
  return summaryOf(pod).reason;
}

function restartsText(pod: KubeObject, now: number): string {
  const { restarts, lastRestart } = summaryOf(pod);
  return restarts === 0 || lastRestart === "" ? String(restarts) : `${restarts} (${since(lastRestart, now)} ago)`;
}

function readyText(pod: KubeObject): string {
  const { ready, total } = summaryOf(pod);
  return `${ready}/${total}`;
}

function gatesText(pod: KubeObject): string {
  const gates = objectsOf(specOf(pod).readinessGates);
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => hasCondition(pod, String(gate.conditionType))).length}/${gates.length}`;
}

export const POD_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Ready", cell: readyText },
  { name: "Status", cell: podStatusText },
  { name: "Restarts", cell: restartsText },
  AGE,
  wide({ name: "IP", cell: (pod) => text(statusOf(pod).podIP, "<none>") }),
  wide({ name: "Node", cell: (pod) => text(specOf(pod).nodeName, "<none>") }),
  wide({ name: "Nominated Node", cell: (pod) => text(statusOf(pod).nominatedNodeName, "<none>") }),
  wide({ name: "Readiness Gates", cell: gatesText }),
];
