import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubeError, type KubeObject, Nodes, Pods, type ResourceRef } from "../kube/client/index.ts";
import { labNode } from "../model/addresses.ts";
import { isAlive } from "../runtime/process/process-table.ts";
import { drain, forgetNode } from "./drain.ts";
import { nextNode } from "./nodes.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { readRecord } from "./process-record.ts";
import type { ProcessSpec } from "./processes.ts";
import { nodeProgressOf, progressOf } from "./readiness.ts";
import { onReplaced, replaceFile } from "./replaced-file.ts";
import { DEFAULTS, readSettings, writeSettings } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";

let directory = "";
let paths: LabPaths;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "shieldgate-nodes-"));
  paths = { ...labPaths("one"), run: directory, settings: join(directory, "settings.json") };
});
afterAll(() => rmSync(directory, { recursive: true }));

async function becomes(what: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !what(); round++) await sleep(10);
  expect(what()).toBe(true);
}

describe("the next node", () => {
  const [control, first, second] = DEFAULTS.nodes;

  test("has the lowest free place, and is named after it", () => {
    expect(nextNode(DEFAULTS)).toEqual(labNode("k8s-w3", 3));
    expect(nextNode({ ...DEFAULTS, nodes: [control!, second!] }, "edge")).toEqual(labNode("edge", 1));
    expect(nextNode({ ...DEFAULTS, nodes: [control!, second!], leaving: [first!] }).place).toBe(3);
    const full = Array.from({ length: 100 }, (_, place) => labNode(`n${place}`, place));
    expect(nextNode({ ...DEFAULTS, nodes: full.slice(0, 99) }).address).toBe("192.168.10.199");
    expect(() => nextNode({ ...DEFAULTS, nodes: full })).toThrow("the lab has 100 nodes");
  });

  test.each(["", "A", "1a", "-a", "a-", "a.b", "a".repeat(16), "fabric", "pods"])("is not named %j", (name) => {
    expect(() => nextNode(DEFAULTS, name)).toThrow(/cannot name a node/);
  });

  test("has a name of its own", () => {
    expect(() => nextNode(DEFAULTS, "k8s-w1")).toThrow("there is a node k8s-w1 already");
    expect(() => nextNode({ ...DEFAULTS, nodes: [control!], leaving: [first!] }, "k8s-w1")).toThrow(/already/);
  });
});

test("the settings keep who is there and who leaves, each at its place", () => {
  const [control, first, second] = DEFAULTS.nodes;
  const settings = { ...DEFAULTS, nodes: [control!, second!, labNode("edge", 7)], leaving: [first!] };
  writeSettings(paths, settings);
  expect(readSettings(paths)).toEqual(settings);
  writeSettings(paths, { ...settings, leaving: [] });
  expect(readFileSync(paths.settings, "utf8")).not.toContain("leaving");
});

test("a file that is replaced is told of, one that stays the same is not", async () => {
  const file = join(directory, "followed");
  replaceFile(file, "1");
  const seen: string[] = [];
  onReplaced(file, () => seen.push(readFileSync(file, "utf8")));
  replaceFile(file, "1");
  await sleep(50);
  expect(seen).toEqual([]);
  replaceFile(file, "2");
  await becomes(() => seen.length > 0);
  expect(new Set(seen)).toEqual(new Set(["2"]));
});

describe("the supervisor", () => {
  const sleeper = (name: string, script = "exec sleep 100"): ProcessSpec => ({
    ...{ name, argv: ["sh", "-c", script], forks: false, logPath: "/dev/null" },
  });
  const pidOf = (name: string) => readRecord(paths, name)?.pid;
  const kept = sleeper("kept");
  // does not heed being asked
  const stubborn = sleeper("w9/agent", "trap '' TERM; while :; do sleep 1; done");

  test("starts what is new, ends what is unwanted, and leaves the others alone", async () => {
    const supervisor = new Supervisor(paths);
    try {
      supervisor.follow([kept], []);
      await becomes(() => isAlive(readRecord(paths, "kept")));
      const pid = pidOf("kept");
      supervisor.follow([kept, sleeper("w9/proxy"), stubborn], []);
      await becomes(() => isAlive(readRecord(paths, "w9/agent")) && isAlive(readRecord(paths, "w9/proxy")));
      const gone = [readRecord(paths, "w9/agent"), readRecord(paths, "w9/proxy")];
      supervisor.follow([kept], ["w9/agent", "w9/proxy"]);
      await becomes(() => pidOf("w9/proxy") === undefined && pidOf("w9/agent") === undefined);
      expect(gone.map(isAlive)).toEqual([false, false]);
      expect([pidOf("kept"), isAlive(readRecord(paths, "kept"))]).toEqual([pid, true]);
      // another node of the name
      supervisor.follow([kept, sleeper("w9/proxy")], []);
      await becomes(() => isAlive(readRecord(paths, "w9/proxy")));
    } finally {
      supervisor.stop();
      for (const name of ["kept", "w9/agent", "w9/proxy"]) {
        const pid = pidOf(name);
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      }
    }
  });
});

test.runIf(process.getuid?.() === 0)("the supervisor gives a process its place among the others", async () => {
  const supervisor = new Supervisor(paths);
  const spec = { argv: ["sleep", "100"], forks: false, logPath: "/dev/null" };
  const niceOf = (name: string) => {
    const { pid } = readRecord(paths, name)!;
    const group = `/proc/${pid}/autogroup`;
    return [getPriority(pid), existsSync(group) ? /nice (-?\d+)/.exec(readFileSync(group, "utf8"))?.[1] : undefined];
  };
  const group = (nice: string) => (existsSync("/proc/self/autogroup") ? nice : undefined);
  try {
    supervisor.follow(
      [
        { ...spec, name: "first", nice: -7 },
        { ...spec, name: "other" },
      ],
      [],
    );
    await becomes(() => isAlive(readRecord(paths, "first")) && isAlive(readRecord(paths, "other")));
    await becomes(() => getPriority(readRecord(paths, "first")!.pid) !== getPriority());
    expect(niceOf("first")).toEqual([getPriority() - 7, group("-7")]);
    expect(niceOf("other")).toEqual([getPriority(), group("0")]);
  } finally {
    supervisor.stop();
    for (const name of ["first", "other"]) process.kill(readRecord(paths, name)!.pid, "SIGKILL");
  }
});

const DAEMON = [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "d", uid: "u-d", controller: true }];
const REPLICA = [{ ...DAEMON[0]!, kind: "ReplicaSet", name: "r" }];

function pod(name: string, nodeName: string, ownerReferences: typeof DAEMON = []): KubeObject {
  const metadata = { name, namespace: "default", uid: `u-${name}`, ownerReferences };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName } };
}

/** An API server with nodes and pods; pods end a moment after they are deleted, those named stubborn never by themselves. */
function fakeApi(pods: KubeObject[]) {
  const calls: string[] = [];
  const notFound = () => new KubeError(404, "NotFound", "gone");
  return {
    calls,
    async list(ref: ResourceRef, options: { fieldSelector?: string } = {}) {
      const node = options.fieldSelector?.replace("spec.nodeName=", "");
      const items = ref === Pods ? pods.filter(({ spec }) => (spec as { nodeName: string }).nodeName === node) : [];
      return { items, resourceVersion: "1" };
    },
    async patch(ref: ResourceRef, name: string, patch: unknown) {
      calls.push(`patch ${ref.resource} ${name} ${JSON.stringify(patch)}`);
      return {} as KubeObject;
    },
    async delete(ref: ResourceRef, name: string, options: { gracePeriodSeconds?: number } = {}) {
      const { gracePeriodSeconds: grace } = options;
      calls.push(`delete ${ref.resource} ${name}${grace === undefined ? "" : ` ${grace}`}`);
      if (ref === Nodes) throw notFound();
      if (name === "stubborn" && grace !== 0) return;
      pods.splice(
        pods.findIndex(({ metadata }) => metadata.name === name),
        1,
      );
    },
  };
}

describe("a node that goes", () => {
  const all = () => [
    pod("web", "w9", REPLICA),
    pod("bare", "w9"),
    pod("daemon", "w9", DAEMON),
    pod("stubborn", "w9", REPLICA),
    pod("other", "w1", REPLICA),
  ];

  test("is cordoned and drained: daemons stay, what does not end is said", async () => {
    const api = fakeApi(all());
    const said: string[] = [];
    await drain(api, "w9", (line) => said.push(line), 150);
    expect(api.calls).toEqual([
      'patch nodes w9 {"spec":{"unschedulable":true}}',
      ...["web", "bare", "stubborn"].map((name) => `delete pods ${name}`),
    ]);
    expect(said).toEqual([
      "pod default/bare has no controller: it goes with the node",
      "pod default/stubborn did not end within 0.15 s: it ends with the node",
    ]);
  });

  test("is forgotten with all its pods, and looked for again", async () => {
    const pods = all();
    const api = fakeApi(pods);
    await forgetNode(api, labNode("w9", 9));
    expect(pods.map(({ metadata }) => metadata.name)).toEqual(["other"]);
    expect(api.calls.filter((call) => call === "delete nodes w9")).toHaveLength(3);
    expect(api.calls).toContain("delete pods daemon 0");
  });
});

test("a lab is ready without the pods of a node that leaves; a new node is, with its agent and proxy", () => {
  const ready = { conditions: [{ type: "Ready", status: "True" }] };
  const edge = labNode("edge", 3);
  const own = (app: string, node: string): KubeObject => {
    const plain = pod(`${app}-${node}`, node);
    return { ...plain, metadata: { ...plain.metadata, labels: { "k8s-app": app } }, status: ready };
  };
  const object = { apiVersion: "v1", kind: "Node", metadata: { name: "edge" }, status: ready };
  const pods = [own("cilium", "edge"), own("cilium-envoy", "edge"), own("cilium", "k8s-w1")];
  expect(nodeProgressOf(edge, [object], pods)).toEqual({ waitingFor: [], starting: [] });
  expect(nodeProgressOf(edge, [], pods.slice(1)).waitingFor).toEqual([
    "node edge to be Ready",
    "pods of cilium: 0 of 1 ready",
  ]);
  const state = { running: { startedAt: "2026-01-01T00:00:00Z" } };
  const old = { ...pod("old", "k8s-w9"), status: { containerStatuses: [{ state }] } };
  expect(progressOf([edge], [object], [...pods, own("kube-dns", "edge"), old], Date.now()).waitingFor).toEqual([]);
});
