import { existsSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../kube/client/connect.ts";
import { fieldsOf, type KubeObject } from "../kube/object.ts";
import { Nodes, Pods } from "../kube/resources.ts";
import type { LabNode } from "../model/addresses.ts";
import { isAlive } from "../runtime/process/process-table.ts";
import { isOutdated } from "./build-stamp.ts";
import { labPids, memoryPss } from "./cgroup.ts";
import { commandFor, type LabPaths } from "./paths.ts";
import { readSandboxPids } from "./pods.ts";
import { type ProcessRecord, readRecord } from "./process-record.ts";
import { processNames } from "./processes.ts";
import { adminClient, isReady, readiness } from "./readiness.ts";
import { DEFAULTS, type LabSettings, readSettings } from "./settings.ts";

/** What `status -o json` prints. A pid of 0 means that the process does not run now. */
export interface MachineStatus {
  /** Given, as `ip6` is, in a lab of both families only. */
  readonly ipFamily?: "dual";
  /** Given where it is not the usual one. */
  readonly routingMode?: "native";
  readonly controlPlane: { readonly pid: number };
  readonly nodes: readonly { name: string; ip: string; ip6?: string; agent: { pid: number }; proxy: { pid: number } }[];
  /** `pid`: a process inside the pod's network namespace. Pods that use their node's network are left out. */
  readonly pods: readonly { namespace: string; name: string; node: string; ip: string; ip6?: string; pid: number }[];
  readonly memoryPssBytes: number;
  /** As the text has them; empty = everything runs. */
  readonly problems: readonly string[];
}

export interface LabStatus {
  readonly machine: MachineStatus;
  readonly processes: readonly { name: string; record: ProcessRecord | undefined }[];
  /** What is wrong, each with its mend. */
  readonly problems: readonly string[];
}

async function listPods(paths: LabPaths): Promise<MachineStatus["pods"]> {
  const { items } = await connect({ kubeconfig: paths.kubeconfig }).list(Pods);
  const pids = readSandboxPids(paths.pods);
  return items.flatMap((pod: KubeObject) => {
    const spec = pod["spec"] as { nodeName?: string; hostNetwork?: boolean };
    const status = (pod["status"] ?? {}) as { podIP?: string; podIPs?: readonly { ip: string }[] };
    const ip6 = status.podIPs?.[1]?.ip;
    if (spec.hostNetwork === true || spec.nodeName === undefined) return [];
    const { name, namespace = "", uid = "" } = pod.metadata;
    return [
      {
        namespace,
        name,
        node: spec.nodeName,
        ip: status.podIP ?? "",
        ...(ip6 ? { ip6 } : {}),
        pid: pids.get(uid) ?? 0,
      },
    ];
  });
}

function aliveRecord(paths: LabPaths, name: string): ProcessRecord | undefined {
  const record = readRecord(paths, name);
  return isAlive(record) ? record : undefined;
}

/** Looks at every process and at the API server. Never throws for a lab that is broken or absent. */
export async function readStatus(paths: LabPaths): Promise<LabStatus> {
  const settings = readSettings(paths) ?? NOTHING;
  // looked at once: a process that dies meanwhile is not to run in one line and to be missed in another
  const records = new Map(processNames(settings).map((name) => [name, aliveRecord(paths, name)] as const));
  const pid = (name: string) => ({ pid: records.get(name)?.pid ?? 0 });
  const running = existsSync(paths.run);
  const problems: string[] = [];
  if (!running) {
    const [what, command] = existsSync(paths.database) ? ["does not run", "start"] : ["does not exist", "up"];
    problems.push(`lab ${paths.lab} ${what}: ${commandFor(paths.lab)} ${command}`);
  }
  for (const [name, record] of running ? records : []) {
    if (record === undefined)
      problems.push(
        `${name} does not run; ${mend(paths.lab, name)}; its log: ${join(paths.logs, `${name.replace("/", "-")}.log`)}`,
      );
  }
  const isOld = (name: string) => isOutdated(paths, records.get(name));
  const old = running ? [...records.keys()].filter(isOld) : [];
  if (old.length > 0)
    problems.push(`${old.join(", ")}: of another build of shieldgate; ${commandFor(paths.lab)} up replaces them`);
  for (const { name } of settings.leaving ?? [])
    problems.push(`node ${name} is being removed; ${commandFor(paths.lab)} node remove ${name} completes it`);
  const waiting = running ? (await readiness(paths)).waitingFor : [];
  problems.push(...waiting.map((what) => `waiting for ${what}${mendOf(paths.lab, what)}`));
  const pods = running ? await listPods(paths).catch(() => []) : [];
  const isDual = settings.ipFamily === "dual";
  return {
    machine: {
      ...(isDual ? { ipFamily: "dual" } : {}),
      ...(settings.routingMode === "native" ? { routingMode: "native" } : {}),
      controlPlane: pid("control-plane"),
      nodes: settings.nodes.map((node) => ({
        name: node.name,
        ip: node.address,
        ...(isDual ? { ip6: node.address6 } : {}),
        agent: pid(`${node.name}/agent`),
        proxy: pid(`${node.name}/proxy`),
      })),
      pods,
      memoryPssBytes: running ? memoryPss(labPids(paths.lab)) : 0,
      problems,
    },
    processes: [...records].map(([name, record]) => ({ name, record })),
    problems,
  };
}

/** Whoever deletes a Node by kubectl finds the node still there. */
function mendOf(lab: string, what: string): string {
  const [, node] = /^node (\S+) to be Ready$/.exec(what) ?? [];
  if (node === undefined) return "";
  return `; if its object was deleted: ${commandFor(lab)} up brings it back, ${commandFor(lab)} node remove ${node} takes the rest out`;
}

/** Of a lab that was never made. */
const NOTHING: LabSettings = { ...DEFAULTS, nodes: [] };

function mend(lab: string, name: string): string {
  return name === "supervisor"
    ? `${commandFor(lab)} up starts it again`
    : "the supervisor starts it again within seconds";
}

/** The same for a person. */
export function printStatus(paths: LabPaths, status: LabStatus): string {
  const rows = status.processes.map(({ name, record }) => [
    name,
    record ? String(record.pid) : "-",
    record ? "running" : "not running",
    record ? String(record.restarts) : "-",
  ]);
  const pods = status.machine.pods.map((pod) => [
    `${pod.namespace}/${pod.name}`,
    String(pod.pid),
    pod.node,
    [pod.ip, pod.ip6 ?? []].flat().join(),
  ]);
  const parts = [
    `lab ${paths.lab}${status.machine.ipFamily === "dual" ? ", IPv4 and IPv6" : ""}${status.machine.routingMode === "native" ? ", native routing" : ""}: ${status.problems.length === 0 ? "everything runs" : `${status.problems.length} problem(s)`}`,
    ...(rows.length === 0 ? [] : [columns([["PROCESS", "PID", "STATE", "RESTARTS"], ...rows])]),
  ];
  if (pods.length > 0) parts.push(columns([["POD", "PID", "NODE", "IP"], ...pods]));
  if (status.processes.length > 0)
    parts.push(`memory ${Math.round(status.machine.memoryPssBytes / 1e6)} MB (PSS of all processes)`);
  if (status.problems.length > 0) parts.push(status.problems.map((problem) => `! ${problem}`).join("\n"));
  return `${parts.join("\n\n")}\n`;
}

/** The state of each Node as kubectl shows it, by name; nothing when the API server does not answer. */
async function nodeStates(paths: LabPaths): Promise<Map<string, string>> {
  const nodes =
    (
      await adminClient(paths)
        ?.list(Nodes)
        .catch(() => undefined)
    )?.items ?? [];
  return new Map(
    nodes.map((node) => {
      const ready = isReady(node) ? "Ready" : "NotReady";
      return [node.metadata.name, fieldsOf(node.spec).unschedulable === true ? `${ready},SchedulingDisabled` : ready];
    }),
  );
}

/** `node list`: the nodes of a lab, running or stopped. */
export async function printNodes(paths: LabPaths, { nodes, leaving = [], ipFamily }: LabSettings): Promise<string> {
  const known = await nodeStates(paths);
  const both = (four: string, six: string) => (ipFamily === "dual" ? `${four},${six}` : four);
  const row = ({ name, place, ...node }: LabNode, state = known.get(name) ?? "NotReady") => [
    ...[name, state, both(node.address, node.address6), both(node.podCidr, node.podCidr6), `c${place}`],
  ];
  const rows = [...nodes.map((node) => row(node)), ...leaving.map((node) => row(node, "Leaving"))];
  return `${columns([["NODE", "STATE", "ADDRESS", "PODS", "PROGRAM"], ...rows])}\n`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
