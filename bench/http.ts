import { execFileSync } from "node:child_process";
import type { TestLab } from "../test/support/lab.ts";
import { client, server } from "./namespaces.ts";
import { benchPods } from "./network.ts";
import type { Row } from "./report.ts";
import { interleave } from "./rounds.ts";

const ROUNDS = 5;
/** One port is judged by HTTP rules, the other by L4 only: both sides at the same time, between the same pods. */
const JUDGED = "7001";
const DIRECT = "7000";

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: bench}
spec:
  endpointSelector: {matchLabels: {bench: server}}
  ingress:
  - fromEndpoints: [{matchLabels: {bench: client}}]
    toPorts:
    - ports: [{port: "${DIRECT}", protocol: TCP}]
  - fromEndpoints: [{matchLabels: {bench: client}}]
    toPorts:
    - ports: [{port: "${JUDGED}", protocol: TCP}]
      rules: {http: [{method: GET, path: "/v1/.*"}]}
`;

/** Throws where wrk is not installed. */
export function mustHaveWrk(): void {
  try {
    execFileSync("sh", ["-c", "command -v wrk"], { stdio: "ignore" });
  } catch {
    throw new Error("wrk is missing: apt-get install wrk");
  }
}

/** Requests a second of wrk, 64 keep-alive connections, through the proxy and directly. */
export async function measureHttp(lab: TestLab, traffic: string): Promise<Row[]> {
  const pods = await benchPods(lab);
  await lab.ok(`printf '%s' '${POLICY}' | kubectl apply -f -`);
  await lab.eventually("c1 policy get", /7001/);
  const servers = [
    await server(pods.server, traffic, "server", DIRECT),
    await server(pods.server, traffic, "server", JUDGED),
  ];
  const wrk = async (port: string) => {
    const out = await client(
      pods.client,
      "wrk",
      "-t1",
      "-c64",
      "-d2s",
      `http://${pods.address}:${port}/v1/request-landing`,
    );
    if (/Non-2xx/.test(out)) throw new Error(out);
    return Number(/Requests\/sec: +([\d.]+)/.exec(out)![1]);
  };
  try {
    await wrk(JUDGED);
    const result = await interleave(
      ROUNDS,
      () => wrk(JUDGED),
      () => wrk(DIRECT),
    );
    return [
      {
        what: "HTTP through the L7 policy, 64 connections",
        ours: `${result.ours.toFixed(0)}/s`,
        against: `direct ${result.theirs.toFixed(0)}/s`,
        ratio: result.ratio,
        spread: result.spread,
        target: "a first figure",
        reached: true,
        raw: result.rounds,
      },
    ];
  } finally {
    for (const child of servers) child.kill("SIGKILL");
  }
}
