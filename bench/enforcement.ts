import { spawn } from "node:child_process";
import { request } from "node:https";
import type { TestLab } from "../test/support/lab.ts";
import { load } from "./kubeconfig.ts";
import { server } from "./namespaces.ts";
import { benchPods } from "./network.ts";
import type { Row } from "./report.ts";
import { percentile } from "./rounds.ts";

const CHANGES = 100;
const PORT = "7000";
const TARGET_MS = 100;

function policy(peer: string): string {
  return JSON.stringify({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "bench", namespace: "default" },
    spec: {
      endpointSelector: { matchLabels: { bench: "server" } },
      ingress: [
        { fromEndpoints: [{ matchLabels: { bench: peer } }], toPorts: [{ ports: [{ port: PORT, protocol: "ANY" }] }] },
      ],
    },
  });
}

/** From the request that changes a policy to the first packet that is treated by it, allow and deny in turn. */
export async function measureEnforcement(lab: TestLab, traffic: string): Promise<Row[]> {
  const pods = await benchPods(lab);
  const answering = await server(pods.server, traffic, "server", PORT);
  const probe = spawn("nsenter", [`--net=${pods.client}`, traffic, "probe", pods.address, PORT], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  probe.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const next = async (word: string, from: number): Promise<number> => {
    for (let wait = 0; wait < 5000; wait++) {
      const match = new RegExp(`^${word} (\\d+)$`, "m").exec(text.slice(from));
      if (match) return Number(BigInt(match[1]!) / 1000n) / 1000;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`the probe did not say ${word}`);
  };
  const replace = await replacer(lab);
  const took: number[] = [];
  try {
    await next("up", 0);
    for (let change = 0; change < CHANGES; change++) {
      const closing = change % 2 === 0;
      const mark = text.length;
      const started = Date.now();
      await replace(policy(closing ? "nobody" : "client"));
      // a probe is sent every half millisecond: figures are that coarse
      took.push(Math.max(0, (await next(closing ? "down" : "up", mark)) - started));
    }
  } finally {
    probe.kill("SIGKILL");
    answering.kill("SIGKILL");
  }
  const p99 = percentile(took, 0.99);
  return [
    {
      what: `policy change to enforcement, p99 of ${CHANGES}`,
      ours: `${p99.toFixed(1)} ms (median ${percentile(took, 0.5).toFixed(1)})`,
      target: `${TARGET_MS} ms`,
      reached: p99 <= TARGET_MS,
      raw: took,
    },
  ];
}

/** Patches the policy over one kept connection: kubectl's own start is not what is measured. */
async function replacer(lab: TestLab): Promise<(body: string) => Promise<void>> {
  const access = await load(lab);
  return (body) =>
    new Promise((resolve, reject) => {
      const call = request(
        `${access.server}/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/bench`,
        {
          method: "PATCH",
          ca: access.ca,
          cert: access.cert,
          key: access.key,
          headers: { "content-type": "application/merge-patch+json" },
        },
        (response) => {
          response.resume();
          response.on("end", () =>
            response.statusCode === 200 ? resolve() : reject(new Error(`PATCH: ${response.statusCode}`)),
          );
        },
      );
      call.on("error", reject);
      call.end(body);
    });
}
