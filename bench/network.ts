import type { TestLab } from "../test/support/lab.ts";
import { client, type PlainRouting, placeOf, server } from "./namespaces.ts";
import type { Row } from "./report.ts";
import { interleave } from "./rounds.ts";

const ROUNDS = 9;
const SECONDS = "1";
const PORT = "7000";

/** The two pods of bench/pods.yaml. */
export async function benchPods(lab: TestLab) {
  const { pods } = await lab.status();
  const named = (name: string) => pods.find((pod) => pod.name === name)!;
  return {
    client: placeOf(named("bench-client").pid),
    server: placeOf(named("bench-server").pid),
    address: named("bench-server").ip,
  };
}

/** Request/response and new connections a second, pod to pod on one node through a policy, against plain routing. */
export async function measureNetwork(lab: TestLab, plain: PlainRouting, traffic: string): Promise<Row[]> {
  const pods = await benchPods(lab);
  const servers = [
    await server(pods.server, traffic, "server", PORT),
    await server(plain.server, traffic, "server", PORT),
  ];
  // somebody watches: visibility is on, as in use
  const watching = lab.watch("hubble observe -f -o json");
  try {
    const rows: Row[] = [];
    for (const [mode, what, target] of [
      ["rr", "request/response through policy", 0.9],
      ["crr", "new connections through policy", undefined],
    ] as const) {
      const result = await interleave(
        ROUNDS,
        async () => Number(await client(pods.client, traffic, mode, pods.address, PORT, SECONDS)),
        async () => Number(await client(plain.client, traffic, mode, plain.address, PORT, SECONDS)),
      );
      rows.push({
        what,
        ours: `${result.ours.toFixed(0)}/s`,
        against: `plain routing ${result.theirs.toFixed(0)}/s`,
        ratio: result.ratio,
        spread: result.spread,
        target: target === undefined ? "a first figure" : `${target}`,
        reached: target === undefined || result.ratio >= target,
        raw: result.rounds,
      });
    }
    return rows;
  } finally {
    watching.stop();
    for (const child of servers) child.kill("SIGKILL");
  }
}
