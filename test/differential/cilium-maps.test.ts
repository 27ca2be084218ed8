import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConnectionRow, PolicyRow, ServiceFrontend } from "../../src/datapath/port.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AnsweringAgent } from "../support/cilium-outcome.ts";

const built = oracle("status");

const SERVICE: ServiceFrontend = {
  ...{ id: 3, address: "192.168.10.101", port: 30_080, protocol: 6, type: "NodePort", affinitySeconds: 60 },
  backends: [{ address: "172.20.1.5", port: 8080 }],
};
const FOUR: ConnectionRow = {
  ...{ scope: "ingress", protocol: 6, source: "172.20.1.20", sourcePort: 40_000 },
  ...{ destination: "172.20.1.21", destinationPort: 80, expires: 4711, expiresIn: 59, flags: 0x13 },
  ...{ forwardFlags: 2, replyFlags: 18, forwardReported: 4700, replyReported: 4690, sourceIdentity: 10_135 },
  ...{ translatedAddress: "", translatedPort: 0 },
};
const SIX: ConnectionRow = { ...FOUR, protocol: 17, source: "fd00::1", destination: "fd00::2" };
const ASKED: ConnectionRow = {
  ...FOUR,
  ...{ scope: "service", destination: SERVICE.address, destinationPort: SERVICE.port },
  ...{ translatedAddress: "172.20.1.5", translatedPort: 8080 },
};
const RULE: PolicyRow = {
  ...{ deny: false, direction: "ingress", identity: 318, protocol: 6, port: 8000, portPrefix: 10, proxyPort: 10_001 },
  ...{ authType: 1, precedence: 7, cookie: 9, packets: 3, bytes: 180 },
};
const POLICY = [RULE, { ...RULE, deny: true, direction: "egress" as const, proxyPort: 0 }];

/** An agent with these connections. */
function agentWith(connections: readonly ConnectionRow[]): AnsweringAgent {
  return new AnsweringAgent({
    "GET /v1/bpf/ct": connections,
    "GET /v1/bpf/lb": [SERVICE],
    "GET /v1/config": { status: { addressing: { ipv6: { enabled: true } } } },
    "GET /v1/endpoint/871/policy": POLICY,
  });
}

/** Outputs in which upstream shows what is asked for: nothing below the key of a connection can be named there. */
const OUTPUTS = {
  connections: ["json", "yaml", "jsonpath={[0]}", "jsonpath={[*].Value}", "jsonpath={[*].Value.RevNAT}"],
  policy: ["json", "yaml", "jsonpath={[0]}", "jsonpath={[*].Flags}", "jsonpath={[*].Key.Identity}", "jsonpath={[0].*}"],
};

describe.skipIf("missing" in built)(`cilium bpf prints the records of maps as upstream does${skipNote(built)}`, () => {
  const [four, six, none] = [agentWith([FOUR, ASKED]), agentWith([SIX]), agentWith([])];
  const agents = [four, six, none];
  beforeAll(() => Promise.all(agents.map((agent) => agent.listen())));
  afterAll(() => agents.forEach((agent) => void agent.close()));

  const cases = [
    { map: "connections of IPv4", agent: four, words: ["ct", "list", "global"], outputs: OUTPUTS.connections },
    { map: "connections of IPv6", agent: six, words: ["ct", "list"], outputs: OUTPUTS.connections },
    { map: "connections of IPv4", agent: none, words: ["ct", "list"], outputs: ["json", "yaml"] },
    { map: "policy", agent: four, words: ["policy", "get", "871"], outputs: OUTPUTS.policy },
  ];
  it.each(cases)("$map: $words", async ({ map, agent, words, outputs }) => {
    const ours = async (output: string) => (await agent.runOurs(["bpf", ...words, "-o", output])).out;
    const rows: unknown = JSON.parse(await ours("json"));
    for (const output of outputs) {
      const input = `${JSON.stringify({ map, rows, output })}\n`;
      const theirs = execFileSync("path" in built ? built.path : "", { input, encoding: "utf8" });
      expect(await ours(output), output).toBe(theirs);
    }
  });
});
