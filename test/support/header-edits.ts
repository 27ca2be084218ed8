import type { Scenario } from "../../src/policy/scenario.ts";
import { Random } from "./policy-scenarios-random.ts";

const HEADERS = ["X-A", "X-B"] as const;
const ACTIONS = ["LOG", "ADD", "DELETE", "REPLACE"] as const;
const SENT = [
  {},
  ...HEADERS.flatMap((name) => ["a", "b", "c"].map((value) => ({ [name]: value }))),
  { "X-A": "a", "X-B": "b" },
];

/**
 * A secret always has an action here. Without one Cilium compares it before the edits where its agent reads secrets itself, as the one asked
 * does, and after those of the rule where Envoy reads them, as Helm installs it, and as we do.
 */
function headerMatch(random: Random): object {
  const name = random.pick(HEADERS);
  return random.pick([
    () => ({ name }),
    () => ({ name, value: "a" }),
    () => ({ name, value: "a", mismatch: random.pick(ACTIONS) }),
    () => ({ name, secret: { namespace: "default", name: "key" }, mismatch: random.pick(ACTIONS) }),
  ])();
}

function httpRule(random: Random): object {
  return {
    ...(random.percent(30) && { method: random.pick(["GET", "PUT"]) }),
    ...(random.percent(30) && { headers: [`${random.pick(HEADERS)}: ${random.pick(["a", "b"])}`] }),
    headerMatches: random.list(1, 2, () => headerMatch(random)),
  };
}

function policyOf(app: string, spec: object): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: app, namespace: "default" },
    spec: { endpointSelector: { matchLabels: { app } }, ...spec },
  };
}

/**
 * A client and a server with a policy each, whose rules want headers and edit them: what the client's proxy sends on is what the server's judges.
 * The server's policy is the last one.
 */
export function editedAtBothEnds(seed: number): Scenario {
  const random = new Random(seed);
  const toPorts = () => [
    { ports: [{ port: "80", protocol: "TCP" }], rules: { http: random.list(1, 2, () => httpRule(random)) } },
  ];
  const pod = (name: string) => ({ name, namespace: "default", labels: { app: name }, cluster: "default" });
  const peer = (app: string) => [{ matchLabels: { app } }];
  return {
    id: `edits of ${seed}`,
    secrets: { "default/key": { value: "b" } },
    endpoints: [pod("client"), pod("server")],
    policies: [
      policyOf("client", { egress: [{ toEndpoints: peer("server"), toPorts: toPorts() }] }),
      policyOf("server", { ingress: [{ fromEndpoints: peer("client"), toPorts: toPorts() }] }),
    ],
    queries: SENT.map((headers, index) => ({
      ...{ id: `q${index}`, from: "default/client", to: "default/server", port: 80 },
      http: { method: "GET", path: "/", host: "server", headers },
    })),
  };
}
