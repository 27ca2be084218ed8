import { expect, test } from "vitest";
import { answerQuestion } from "../../src/prove/answer.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";
import { type Connection, matrixOf } from "../../src/prove/matrix.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { manifestsOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";

/** What the matrix says of each pair of pods, port by port, is what explain says. */
const SCENARIOS = 40;
const PLACES = [
  ["TCP", 80],
  ["TCP", 81],
  ["TCP", 443],
  ["TCP", 65_535],
  ["UDP", 53],
  ["UDP", 8500],
  ["SCTP", 80],
  ["ICMP", 8],
] as const;

function fromMatrix(
  connections: readonly Connection[],
  from: string,
  to: string,
  protocol: string,
  port: number,
): string {
  const found = connections.find((each) => each.from.workloads.includes(from) && each.to.workloads.includes(to));
  if (found === undefined) return "denied";
  if (found.missing !== undefined || found.reach === "conflict") return "unknown";
  const part = found.reach.find((each) => {
    if (each.protocol === "ANY") return !each.except?.includes(protocol);
    return each.protocol === protocol && each.first <= port && port <= each.last;
  });
  if (!part) return "denied";
  return part.requests === undefined ? "allowed" : "unknown";
}

function titles(inventory: Inventory): string[] {
  return inventory.workloads.map(({ namespace, name }) => `${namespace}/pod/${name}`);
}

test("the matrix says what explain says, port by port", { timeout: 120_000 }, () => {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < SCENARIOS; seed++) {
    const scenario = withoutWhatManifestsCannotSay(randomScenario(seed, { isValid: true }));
    const inventory = takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], {
      config: scenario.config ?? {},
    });
    const { connections } = matrixOf(inventory);
    for (const from of titles(inventory)) {
      for (const to of titles(inventory).filter((each) => each !== from)) {
        for (const [protocol, port] of PLACES) {
          const { verdict } = answerQuestion(inventory, { from, to, protocol, port });
          const said = fromMatrix(connections, from, to, protocol, port);
          expect(said, `seed ${seed}: ${from} -> ${to} ${protocol} ${port}`).toBe(verdict);
          seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        }
      }
    }
  }
  expect(Math.min(...["allowed", "denied", "unknown"].map((verdict) => seen.get(verdict) ?? 0))).toBeGreaterThan(20);
});
