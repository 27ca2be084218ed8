/** A lab's nodes at run time: add, remove. The settings say first what is to be, so that `up` can complete what was cut off. */
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type LabNode, labNode } from "../model/addresses.ts";
import { isAlive } from "../runtime/process/process-table.ts";
import { look } from "./condition.ts";
import { madeNodes, writeNodeConfiguration } from "./configuration.ts";
import { drain, forgetNode } from "./drain.ts";
import { writePrograms } from "./env.ts";
import { withLabLock } from "./lock.ts";
import { createNodeNetworks, deleteNodeNetwork } from "./network.ts";
import { commandFor, type LabPaths, netnsPath, nodeNetns, nodeRun } from "./paths.ts";
import { sandboxesInRange } from "./pods.ts";
import { readPorts } from "./ports.ts";
import { readRecord } from "./process-record.ts";
import { nodeProcesses } from "./processes.ts";
import { adminClient, waitUntilReady } from "./readiness.ts";
import { type LabSettings, readSettings, writeSettings } from "./settings.ts";

/** Addresses end in 100 + place. */
const LAST_PLACE = 99;
/** A node's end of the fabric has its name, and an interface's has at most 15 characters. */
const NODE_NAME = /^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/;
/** What else is in the fabric's namespace or in the lab's run directory. */
const RESERVED: readonly string[] = ["fabric", "lo", "bpf", "pods", "world"];
/** How long a removed node's processes and sandboxes may take to end. */
const END_TIMEOUT_MS = 15_000;

/** Pure: the node that a lab gets next, at its lowest free place. Throws when the name cannot be, or there is no place. */
export function nextNode({ nodes, leaving = [] }: LabSettings, name?: string): LabNode {
  const all = [...nodes, ...leaving];
  const taken = new Set(all.map((node) => node.place));
  const place = Array.from({ length: LAST_PLACE }, (_, index) => index + 1).find((free) => !taken.has(free));
  if (place === undefined) throw new Error(`the lab has ${LAST_PLACE + 1} nodes: there is no address for another`);
  const chosen = name ?? `k8s-w${place}`;
  if (!NODE_NAME.test(chosen)) {
    throw new Error(
      `${JSON.stringify(chosen)} cannot name a node: use 1 to 15 of a-z, 0-9 and -, beginning with a letter and not ending with -`,
    );
  }
  if (RESERVED.includes(chosen)) throw new Error(`${chosen} cannot name a node: the lab uses the name itself`);
  if (all.some((node) => node.name === chosen)) throw new Error(`there is a node ${chosen} already`);
  return labNode(chosen, place);
}

/** Adds a node to a lab that runs; returns when it is Ready with its agent and proxy. Throws when it cannot be, with why. */
export function addNode(paths: LabPaths, name?: string): Promise<LabNode> {
  return withLabLock(paths.lab, async () => {
    const settings = runningSettings(paths);
    const node = nextNode(settings, name);
    const namespace = nodeNetns(paths.lab, node.name);
    if (existsSync(netnsPath(namespace))) {
      throw new Error(`there is a network namespace ${namespace} that is not this lab's: choose another name`);
    }
    const next = { ...settings, nodes: [...settings.nodes, node].sort((a, b) => a.place - b.place) };
    writeSettings(paths, next);
    await makeNodes(paths, next);
    await waitUntilReady(paths, () => {}, node);
    return node;
  });
}

/** Makes those nodes of the settings that are not there; the supervisor and the kubelet begin with them by themselves. */
export async function makeNodes(paths: LabPaths, settings: LabSettings): Promise<void> {
  const made = new Set(madeNodes(paths, settings).map(({ name }) => name));
  const missing = settings.nodes.filter(({ name }) => !made.has(name));
  // what an earlier try left
  for (const node of missing) await deleteNodeNetwork(paths, node, settings.ipFamily);
  if (missing.length > 0) await createNodeNetworks(paths, missing, settings.ipFamily);
  writePrograms(paths, readPorts(paths)!.relay, settings.nodes);
  writeNodeConfiguration(paths, settings);
}

/** Removes a node from a lab that runs, and says what happens to its pods. Throws for what is no node that can go. */
export function removeNode(paths: LabPaths, name: string, say: (line: string) => void): Promise<void> {
  return withLabLock(paths.lab, async () => {
    const settings = runningSettings(paths);
    const leaving = settings.leaving ?? [];
    const started = leaving.find((node) => node.name === name);
    if (started !== undefined) return completeRemoval(paths, started);
    const node = settings.nodes.find((known) => known.name === name);
    if (node === undefined) {
      const names = settings.nodes.map((known) => known.name).join(", ");
      throw new Error(`there is no node ${name}: the lab has ${names}`);
    }
    if (node.controlPlane) {
      throw new Error(`${name} runs the control plane and stays: \`${commandFor(paths.lab)} down\` ends the whole lab`);
    }
    await drain(adminClient(paths)!, name, say);
    const nodes = settings.nodes.filter((other) => other !== node);
    writeSettings(paths, { ...settings, nodes, leaving: [...leaving, node] });
    return completeRemoval(paths, node);
  });
}

/** Removes what there is of a node that is leaving. */
export async function completeRemoval(paths: LabPaths, node: LabNode): Promise<void> {
  const settings = readSettings(paths)!;
  await makeNodes(paths, settings);
  await ended(paths, node);
  await forgetNode(adminClient(paths)!, node);
  await deleteNodeNetwork(paths, node, settings.ipFamily);
  rmSync(join(paths.bpf, node.name), { recursive: true, force: true });
  rmSync(dirname(nodeRun(paths, node.name)), { recursive: true, force: true });
  rmSync(join(paths.flows, node.name), { recursive: true, force: true });
  const leaving = (settings.leaving ?? []).filter(({ name }) => name !== node.name);
  writeSettings(paths, { ...settings, leaving });
}

/** Waits until nothing of the node runs. */
async function ended(paths: LabPaths, node: LabNode): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const processes = nodeProcesses(node).filter((name) => isAlive(readRecord(paths, name)));
    const sandboxes = sandboxesInRange(paths.pods, node.podCidr).map((id) => `sandbox ${id}`);
    const left = [...processes, ...sandboxes];
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      const again = `${commandFor(paths.lab)} node remove ${node.name}`;
      throw new Error(`${left.join(", ")} did not end; logs are in ${paths.logs}; \`${again}\` tries again`);
    }
    await sleep(20);
  }
}

function runningSettings(paths: LabPaths): LabSettings {
  const settings = readSettings(paths);
  const { lab } = paths;
  if (settings === undefined) throw new Error(`there is no lab ${lab}: ${commandFor(lab)} up`);
  const found = look(paths, { ...settings, leaving: [] });
  if (found === "running") return settings;
  const what = found === "nothing" ? `does not run: ${commandFor(lab)} start` : `is damaged: ${commandFor(lab)} up`;
  throw new Error(`lab ${lab} ${what}`);
}
