/** What an agent costs with a hundred endpoints, in a cluster of ten thousand identities. */
import { readFileSync } from "node:fs";
import type { TestLab } from "../test/support/lab.ts";
import { CHANGES, disperse, gather, measureEdits } from "./enforcement.ts";
import { type Call, caller } from "./kubeconfig.ts";
import type { Row } from "./report.ts";

const NODE = "k8s-w1";
const ENDPOINTS = 100;
const IDENTITIES = 10_000;
const FIRST_IDENTITY = 30_000;
const AT_ONCE = 16;
const IDLE_SECONDS = 10;
/** Of /proc/PID/stat, in milliseconds. */
const TICK_MS = 10;

/** Identities that no endpoint has: the operator's part takes each away after a minute, so a slow machine has fewer at the end. */
async function makeIdentities(call: Call): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < IDENTITIES) {
      const id = String(FIRST_IDENTITY + next++);
      const labels = { "k8s:app": `app-${id}`, "k8s:io.kubernetes.pod.namespace": "default" };
      const object = { apiVersion: "cilium.io/v2", kind: "CiliumIdentity", metadata: { name: id } };
      const body = JSON.stringify({ ...object, "security-labels": labels });
      await call("POST", "/apis/cilium.io/v2/ciliumidentities", body);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

const megabytes = (pid: number) =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]) / 1e3;

/** User and system time so far, in milliseconds; children are not counted. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Memory, time while nothing happens and time for a change that concerns every endpoint. Only reported: no aim is set for them. */
export async function measureAgent(lab: TestLab, traffic: string): Promise<Row[]> {
  await gather(lab, ENDPOINTS);
  const { pid } = (await lab.status()).nodes.find((node) => node.name === NODE)!.agent;
  const before = megabytes(pid);
  const call = await caller(lab);
  const started = cpuMs(pid);
  await makeIdentities(call);
  await sleep(2);
  const taken = cpuMs(pid) - started;
  const after = megabytes(pid);
  const quiet = cpuMs(pid);
  await sleep(IDLE_SECONDS);
  const idle = (cpuMs(pid) - quiet) / (IDLE_SECONDS * 10);
  const busy = cpuMs(pid);
  const changes = await measureEdits(lab, traffic, ENDPOINTS + 1);
  const perChange = (cpuMs(pid) - busy) / CHANGES;
  const left = Number(await lab.ok("kubectl get ciliumidentities -o name | wc -l"));
  const among = `${IDENTITIES} identities${left < IDENTITIES ? `, of which ${left} were left at the end` : ""}`;
  await disperse(lab);
  const told = (what: string, ours: string, raw: unknown): Row => ({
    what: `agent, ${ENDPOINTS} endpoints, ${among}: ${what}`,
    ours,
    target: "",
    reached: true,
    raw,
  });
  return [
    told("memory (PSS)", `${after.toFixed(0)} MB (${before.toFixed(0)} before the identities)`, [before, after]),
    told("CPU for an identity that comes", `${(taken / IDENTITIES).toFixed(2)} ms`, taken),
    told("CPU while nothing happens", `${idle.toFixed(1)} %`, idle),
    told("CPU for a policy change", `${perChange.toFixed(1)} ms`, perChange),
    { ...changes, what: `${changes.what}, ${among}` },
  ];
}
