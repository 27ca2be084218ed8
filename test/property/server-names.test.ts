/** The verdict on the wire is the engine's: random `serverNames`, random names in real bytes, through the proxy. */
import { once } from "node:events";
import { expect, it } from "vitest";
import { serverNameVerdict } from "../../src/policy/judge-l7.ts";
import { policiesOfScenario } from "../../src/policy/scenario.ts";
import { helloFor, helloMessage, inRecords } from "../support/client-hello.ts";
import { ENDPOINT, FROM_EMPIRE, namesPolicyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const POLICIES = Number(process.env["SG_PROPERTY_RUNS"] ?? 1000) / 20;
const NAMES_EACH = 20;
const CLIENT = 19_274;
const LABELS = ["a", "b", "www", "x-1", "_s", "com"];
const STARS = ["*", "**", "a*", "*b", "w*w"];

function pattern(random: Random): string {
  const labels = random.list(1, 3, () => random.pick(LABELS));
  if (random.percent(50)) labels.unshift(random.pick(STARS));
  return random.percent(5) ? "*" : labels.join(".") + (random.percent(10) ? "." : "");
}

/** Of the same labels, now and then in another case or with something that no name has; undefined = none. */
function nameFor(random: Random): string | undefined {
  if (random.percent(5)) return undefined;
  const name = random.list(1, 5, () => random.pick([...LABELS, "ab", "bb", "wow"])).join(".");
  const odd = random.pick(["", "", "", "", "", "", ".", "\0", " ", "\xe9", "*", ".."]);
  return random.percent(20) ? `${name.toUpperCase()}${odd}` : `${name}${odd}`;
}

function policyOf(rules: readonly (readonly string[])[]) {
  const ports = [{ port: "443", protocol: "TCP" }];
  const peers = [{ matchLabels: { app: "client" } }, { matchLabels: { app: "other" } }];
  const scenario = {
    id: "names",
    policies: [
      {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "names", namespace: "default" },
        spec: {
          endpointSelector: { matchLabels: { app: "server" } },
          ingress: rules.map((serverNames, index) => ({
            fromEndpoints: [peers[index % 2]!],
            toPorts: [{ ports, serverNames }],
          })),
        },
      },
    ],
    endpoints: [
      { name: "server", labels: { app: "server" } },
      { name: "client", labels: { app: "client" }, identity: CLIENT },
      { name: "other", labels: { app: "other" } },
    ],
    queries: [],
  };
  return policiesOfScenario(scenario).get("default/server")!;
}

it("a name reaches the server if and only if the engine allows it", { timeout: 120_000 }, async () => {
  const seen = { allow: 0, deny: 0 };
  const proxy = await startLoopbackProxy(namesPolicyOf(), (_, socket) => socket.write("reached"));
  for (let seed = 0; seed < POLICIES; seed++) {
    const random = new Random(seed);
    const policy = policyOf(random.list(1, 3, () => random.list(1, 3, () => pattern(random))));
    const { redirects } = policy;
    await proxy.apply({ ...namesPolicyOf(), redirects });
    proxy.origin = { ...FROM_EMPIRE, endpoint: ENDPOINT, sourceIdentity: CLIENT };
    for (let round = 0; round < NAMES_EACH; round++) {
      const name = nameFor(random);
      const query = { direction: "ingress", identity: CLIENT, protocol: 6, port: 443 } as const;
      const { verdict } = serverNameVerdict(policy, query, name);
      const bytes = name === undefined ? inRecords(helloMessage({ extensions: [] })) : helloFor(name);
      proxy.server.connections.length = 0;
      const client = proxy.dial();
      client.write(bytes);
      const reached = await new Promise<string>((resolve) => {
        client.once("data", () => resolve("allow"));
        client.once("close", () => resolve("deny"));
      });
      const what = `${JSON.stringify(name)} by ${JSON.stringify(redirects.map(({ rules }) => rules))}`;
      expect(reached, what).toBe(verdict);
      expect(proxy.server.received, what).toBe(verdict === "allow" ? bytes.toString("latin1") : "");
      seen[reached as "allow" | "deny"]++;
      if (!client.destroyed) {
        client.destroy();
        await once(client, "close");
      }
    }
  }
  await proxy.close();
  expect(Math.min(seen.allow, seen.deny)).toBeGreaterThan((POLICIES * NAMES_EACH) / 10);
});
