import { Aggregation } from "../../datapath/port.ts";
import type { Metric } from "../../metrics/index.ts";
import type { BpfMap, ClusterNodeStatus, DaemonConfiguration, DebugInfo } from "../api-models.ts";
import type { StatusResponse } from "../status-model.ts";
import type { AggregationName } from "../trace-level.ts";
import { optionsOf, switchOf } from "./endpoint-routes.ts";
import { type Answer, type ApiCall, ApiError, notACall, objectBody } from "./request.ts";

/** What is to change of the agent as a whole; a field that is absent stays as it is. */
export interface DaemonChange {
  readonly audit?: boolean;
  readonly level?: AggregationName;
}

export interface DaemonCalls {
  /** `requireKubernetes`: an API server that does not answer makes the agent ill. */
  status(requireKubernetes: boolean): Promise<StatusResponse>;
  nodes(): ClusterNodeStatus;
  configuration(): DaemonConfiguration;
  configure(change: DaemonChange): void;
  maps(): readonly BpfMap[];
  debugInfo(): Promise<DebugInfo>;
  /** What Prometheus would read, line by line. */
  lines(): readonly Metric[];
}

const AUDIT = "PolicyAuditMode";
const LEVEL = "MonitorAggregationLevel";
const ENFORCEMENT = "default";

/** Other words that Cilium's command takes for a level. */
const LEVELS: Readonly<Record<string, AggregationName>> = { "": "None", disabled: "None", maximum: "Max" };

/** Reads a level by its name in any case, by its number, or by another word for it. */
function levelOf(value: unknown): AggregationName {
  const wanted = String(value).toLowerCase();
  const names = Object.entries(Aggregation) as [AggregationName, number][];
  const named = names.find(([name, number]) => name.toLowerCase() === wanted || String(number) === wanted);
  const level = LEVELS[wanted] ?? named?.[0];
  if (level !== undefined) return level;
  throw new ApiError(400, `${LEVEL} must be one of ${Object.keys(Aggregation).join(", ")}, not ${value}`);
}

/** Changes what is named, and nothing when something of it is wrong. */
async function configure(calls: DaemonCalls, call: ApiCall): Promise<Answer> {
  const body = await objectBody(call);
  const enforcement = body["policy-enforcement"];
  if (enforcement !== undefined && enforcement !== "" && enforcement !== ENFORCEMENT)
    throw new ApiError(400, `PolicyEnforcement is ${ENFORCEMENT} here and cannot be changed`);
  const { [AUDIT]: audit, [LEVEL]: level, ...others } = optionsOf(body, ["policy-enforcement"]);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new ApiError(400, `${unknown} cannot be changed here; ${AUDIT} and ${LEVEL} can`);
  calls.configure({
    ...(audit === undefined ? {} : { audit: switchOf(AUDIT, audit) }),
    ...(level === undefined ? {} : { level: levelOf(level) }),
  });
  return [200, {}];
}

/** `GET /healthz`, with the headers `brief` and `require-k8s-connectivity`. */
async function health(calls: DaemonCalls, { headers }: ApiCall): Promise<Answer> {
  const status = await calls.status(headers["require-k8s-connectivity"] !== "false");
  if (headers.brief !== "true") return [200, status];
  const failing = status.controllers.filter((controller) => controller.status["last-failure-msg"] !== undefined);
  const { cilium, cluster } = status;
  return [200, { cilium, cluster: { ciliumHealth: cluster.ciliumHealth }, controllers: failing.slice(0, 1) }];
}

function mapNamed(calls: DaemonCalls, [name, part]: readonly string[]): Answer {
  const maps = calls.maps();
  if (name === undefined) return [200, { maps }];
  const found = maps.find(({ path }) => path.slice(path.lastIndexOf("/") + 1) === name);
  if (found === undefined) throw new ApiError(404, `no map ${name}: GET /v1/map lists them`);
  if (part === "events")
    throw new ApiError(404, `changes of ${name} are not kept: the monitor tells of them as they come (/v1/monitor)`);
  if (part !== undefined) throw new ApiError(404, `no such path: /v1/map/${name}/${part}`);
  return [200, found];
}

/** `/healthz`, `/config`, `/cluster`, `/node`, `/map`, `/metrics` and `/debuginfo`; undefined = the subject is none of them. */
export async function daemonRoutes(calls: DaemonCalls, subject: string, call: ApiCall): Promise<Answer | undefined> {
  const path = [subject, ...call.rest].join("/");
  if (path === "config" && call.method === "PATCH") return configure(calls, call);
  const answers: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    healthz: () => health(calls, call),
    config: () => [200, calls.configuration()],
    "cluster/nodes": () => [200, calls.nodes()],
    // Numbers of nodes are for keys of IPsec, of which there are none.
    "node/ids": () => [200, []],
    // Cilium 1.20 lists them by a shell of its own; older releases had this path.
    metrics: () => [200, calls.lines()],
    debuginfo: async () => [200, await calls.debugInfo()],
  };
  const answer = answers[path] ?? (subject === "map" ? () => mapNamed(calls, call.rest) : undefined);
  if (answer === undefined) return undefined;
  if (call.method !== "GET") throw notACall(call, path);
  return answer();
}
