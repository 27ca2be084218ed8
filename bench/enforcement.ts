import { type ChildProcess, spawn } from "node:child_process";
import type { TestLab } from "../test/support/lab.ts";
import { type Call, caller } from "./kubeconfig.ts";
import { goFirst, type Place, server } from "./namespaces.ts";
import { benchPods } from "./network.ts";
import type { Row } from "./report.ts";
import { percentile } from "./rounds.ts";

export const CHANGES = 400;
const PORT = "7000";
const POLICIES_PATH = "/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies";
const POLICY_PATH = `${POLICIES_PATH}/bench`;
const TARGET_MS = 10;
const TARGET_READY_S = 5;
/** Pods beside the two of bench/pods.yaml, all on their node: as many as it has addresses for. */
const CROWDS = [0, 100, 240];
/** Pods on all nodes together. */
const EVERYWHERE = 500;

function policy(peer: string): string {
  return JSON.stringify({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "bench", namespace: "default" },
    spec: {
      endpointSelector: { matchExpressions: [{ key: "bench", operator: "In", values: ["server", "crowd"] }] },
      ingress: [
        { fromEndpoints: [{ matchLabels: { bench: peer } }], toPorts: [{ ports: [{ port: PORT, protocol: "ANY" }] }] },
      ],
    },
  });
}

function crowd(replicas: number, where: object): string {
  const containers = [{ name: "main", image: "busybox", command: ["sleep", "infinity"] }];
  const labels = { bench: "crowd" };
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "bench-crowd", namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { ...where, containers },
      },
    },
  });
}

const ONE_NODE = { nodeSelector: { "kubernetes.io/hostname": "k8s-w1" } };
const ALL_NODES = { tolerations: [{ operator: "Exists" }] };

/** Brings so many more pods to the node; returns how long it took, in seconds. */
export async function gather(lab: TestLab, replicas: number, where: object = ONE_NODE): Promise<number> {
  const started = performance.now();
  await lab.ok(`printf '%s' '${crowd(replicas, where)}' | kubectl apply -f -`);
  await lab.ok("kubectl rollout status deployment/bench-crowd --timeout=100s");
  return (performance.now() - started) / 1000;
}

/** Takes away what was gathered. */
export async function disperse(lab: TestLab): Promise<void> {
  await lab.ok("kubectl delete deployment bench-crowd");
  // `kubectl wait` asks five times a second, once for each pod
  await lab.eventually("sleep 1; kubectl get pod -l bench=crowd -o name | wc -l", /^0$/m, 120_000);
}

/** A change of a policy that concerns one endpoint of a node, and the same where it concerns a hundred, and all that there may be. */
export async function measureEnforcement(lab: TestLab, traffic: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of CROWDS) {
    const took = await gather(lab, size);
    if (size === 100)
      rows.push({
        what: "100 pods ready, one node",
        ours: `${took.toFixed(1)} s`,
        target: `${TARGET_READY_S} s`,
        reached: took <= TARGET_READY_S,
        raw: took,
      });
    rows.push(await measureEdits(lab, traffic, size + 1));
    if (size === 100)
      rows.push(await measureKind(lab, traffic, size + 1, EDITS_AT_ONCE), await measureFirst(lab, traffic, size + 1));
  }
  await disperse(lab);
  const everywhere = await gather(lab, EVERYWHERE, ALL_NODES);
  const ready = { what: `${EVERYWHERE} pods ready, three nodes`, ours: `${everywhere.toFixed(1)} s`, raw: everywhere };
  rows.push({ ...ready, target: "", reached: true });
  rows.push(await measureEdits(lab, traffic, EVERYWHERE + 1));
  await disperse(lab);
  return rows;
}

/** What is done to a policy, time after time. */
interface Kind {
  readonly what: string;
  /** After what the change before came to. */
  readonly restMs: number;
  close(call: Call): Promise<void>;
  open(call: Call): Promise<void>;
}

/** A change meets a lab at rest: what the one before left for later, flows on disk and statuses, is done by then. */
const EDIT: Kind = {
  what: "policy change to enforcement",
  restMs: 50,
  close: (call) => call("PATCH", POLICY_PATH, policy("nobody")),
  open: (call) => call("PATCH", POLICY_PATH, policy("client")),
};
const EDITS_AT_ONCE: Kind = { ...EDIT, what: `${EDIT.what}, one after the other`, restMs: 0 };
/** The policy is made and deleted: the endpoints have no other. */
const FIRST: Kind = {
  what: "an endpoint's first policy, and its last, to enforcement",
  restMs: 50,
  close: (call) => call("POST", POLICIES_PATH, policy("nobody")),
  open: (call) => call("DELETE", POLICY_PATH),
};

/** The policy is there again at the end. */
async function measureFirst(lab: TestLab, traffic: string, endpoints: number): Promise<Row> {
  const call = await caller(lab);
  await call("DELETE", POLICY_PATH);
  const measured = await measureKind(lab, traffic, endpoints, FIRST);
  await call("POST", POLICIES_PATH, policy("client"));
  return measured;
}

/** `measureKind` of edits, which leaves the policy open. */
export function measureEdits(lab: TestLab, traffic: string, endpoints: number): Promise<Row> {
  return measureKind(lab, traffic, endpoints, EDIT);
}

/**
 * From the request that changes a policy to the first packet that is treated by it, closed and opened in turn.
 * What measures goes first: a probe that waits for a processor would be taken for a policy that is late.
 */
async function measureKind(lab: TestLab, traffic: string, endpoints: number, kind: Kind): Promise<Row> {
  const stepBack = goFirst();
  const started: Stoppable[] = [];
  try {
    const pods = await benchPods(lab);
    started.push(await server(pods.server, traffic, "server", PORT));
    const probe = new Probe(pods.client, traffic, pods.address);
    started.push(probe);
    return row(await change(await caller(lab), probe, kind), endpoints, kind);
  } finally {
    for (const one of started) one.kill("SIGKILL");
    stepBack();
  }
}

type Stoppable = Pick<ChildProcess, "kill">;

async function change(call: Call, probe: Probe, { restMs, close, open }: Kind): Promise<number[]> {
  // the connection that is kept is made
  await call("GET", POLICIES_PATH);
  const took: number[] = [];
  await probe.next("up");
  for (let change = 0; change < CHANGES; change++) {
    const closing = change % 2 === 0;
    await sleep(restMs);
    probe.forget();
    const started = nowMs();
    await (closing ? close : open)(call);
    // a probe is sent every half millisecond: figures are that coarse
    took.push(Math.max(0, (await probe.next(closing ? "down" : "up")) - started));
  }
  return took;
}

function row(took: readonly number[], endpoints: number, { what, restMs }: Kind): Row {
  const p99 = percentile(took, 0.99);
  const target = restMs > 0 ? { target: `${TARGET_MS} ms`, reached: p99 <= TARGET_MS } : { target: "", reached: true };
  return {
    what: `${what}, ${endpoints} endpoint${endpoints === 1 ? "" : "s"}, p99 of ${CHANGES}`,
    ours: `${p99.toFixed(1)} ms (median ${percentile(took, 0.5).toFixed(1)})`,
    ...target,
    raw: took,
  };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** CLOCK_MONOTONIC, as the probe's. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** Asks twice a millisecond; says since when it is answered, and since when not. */
class Probe implements Stoppable {
  readonly #child: ChildProcess;
  #text = "";

  constructor(place: Place, traffic: string, address: string) {
    const words = [`--net=${place}`, traffic, "probe", address, PORT];
    this.#child = spawn("nsenter", words, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child.stdout!.on("data", (chunk) => {
      this.#text += chunk;
    });
  }

  /** What it said until now. */
  forget(): void {
    this.#text = "";
  }

  /** When it next says the word: milliseconds of CLOCK_MONOTONIC. Throws after five seconds and more. */
  async next(word: "up" | "down"): Promise<number> {
    const line = new RegExp(`^${word} (\\d+)$`, "m");
    for (let wait = 0; wait < 5000; wait++) {
      const match = line.exec(this.#text);
      if (match) return Number(match[1]) / 1e6;
      await sleep(1);
    }
    throw new Error(`the probe did not say ${word}`);
  }

  kill(signal: NodeJS.Signals): boolean {
    return this.#child.kill(signal);
  }
}
