/** How many verdicts a second the engine gives, on one core, once its tables are built. */

import { identityLabelsOfPod } from "../src/model/identity.ts";
import type { ComputedPolicy } from "../src/policy/computed-policy.ts";
import { httpVerdict } from "../src/policy/judge-l7.ts";
import { type LookupQuery, lookup } from "../src/policy/lookup.ts";
import { parsePolicy } from "../src/policy/parse.ts";
import { Repository } from "../src/policy/repository.ts";
import { resolveEndpointPolicy } from "../src/policy/resolve.ts";
import { seeded } from "./policy-input.ts";

const QUERIES = 100_000;
const ROUNDS = 30;
const RULES = 100;

/** Verdicts on random peers, ports and directions, over all policies in turn. */
export function timeLookups(policies: readonly ComputedPolicy[], identities: readonly number[]): number {
  const random = seeded(7);
  const queries = Array.from(
    { length: QUERIES },
    (): LookupQuery => ({
      direction: random(2) === 0 ? "ingress" : "egress",
      identity: identities[random(identities.length)]!,
      protocol: random(10) === 0 ? 17 : 6,
      port: [53, 80, 443, 8000 + random(20), 9000 + random(150)][random(5)]!,
    }),
  );
  const one = policies[0]!;
  let allowed = 0;
  const run = (policy: ComputedPolicy) => {
    for (const query of queries) if (lookup(policy, query).verdict !== "deny") allowed++;
  };
  run(one);
  const started = performance.now();
  for (let round = 0; round < ROUNDS; round++) run(one);
  const seconds = (performance.now() - started) / 1000;
  if (allowed === 0) throw new Error("nothing was allowed: the queries miss the policies");
  return (ROUNDS * QUERIES) / seconds;
}

function rulesOf(random: (n: number) => number): object[] {
  return Array.from({ length: RULES }, (_, index) => {
    const method = ["GET", "POST", "PUT"][random(3)];
    if (index % 4 === 0) return { method, path: `/api/v${index}/items` };
    if (index % 4 === 1) return { method, path: `/files/${index}/.*` };
    if (index % 4 === 2) return { method, path: `/users/[0-9]+/orders/${index}` };
    return { method, path: `/shop/${index}`, host: "shop\\.example\\.com" };
  });
}

/** HTTP verdicts a second with 100 rules on the port; half of the requests are allowed. */
export function timeHttpVerdicts(): number {
  const random = seeded(9);
  const labelsOf = (app: string) =>
    identityLabelsOfPod({
      podLabels: { app },
      namespace: "default",
      namespaceLabels: {},
      serviceAccount: "",
      cluster: "default",
    });
  const repository = new Repository();
  repository.selectors.upsertIdentity(300, labelsOf("client"));
  repository.selectors.upsertIdentity(301, labelsOf("server"));
  const http = rulesOf(random) as { readonly method: string; readonly path: string }[];
  const parsed = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "shop", namespace: "default" },
    spec: {
      endpointSelector: { matchLabels: { app: "server" } },
      ingress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http } }] }],
    },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  repository.upsert(parsed.key, parsed.rules);
  const policy = resolveEndpointPolicy(repository, { identity: 301, labels: labelsOf("server"), namedPorts: [] });
  const query = { direction: "ingress", identity: 300, protocol: 6, port: 80 } as const;
  const requests = Array.from({ length: 10_000 }, (_, index) => {
    const rule = http[random(http.length)]!;
    const path = rule.path.replace("[0-9]+", `${index}`).replace(".*", `${index}.txt`);
    const host = "shop.example.com";
    return {
      method: index % 2 === 0 ? rule.method : "DELETE",
      path,
      host,
      headers: [{ name: "user-agent", value: "x" }],
    };
  });
  let allowed = 0;
  const run = () => {
    for (const request of requests) if (httpVerdict(policy, query, request).verdict === "allow") allowed++;
  };
  run();
  if (allowed < requests.length / 3) throw new Error(`only ${allowed} requests were allowed`);
  const started = performance.now();
  for (let round = 0; round < ROUNDS; round++) run();
  return (ROUNDS * requests.length * 1000) / (performance.now() - started);
}
