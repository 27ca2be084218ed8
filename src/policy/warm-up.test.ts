import { type Profiler, Session } from "node:inspector";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { FIRST_IDENTITY, reservedIdentities } from "../model/identity.ts";
import { parseLabel, toLabels } from "../model/label.ts";
import { parsePolicy } from "./parse.ts";
import { PolicyCache } from "./policy-cache.ts";
import { Repository } from "./repository.ts";
import { warmUp } from "./warm-up.ts";

/** Counts the engine's functions as V8 sees them run. */
class Coverage {
  private readonly session = new Session();

  constructor() {
    this.session.connect();
    this.ask("Profiler.enable");
    this.ask("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  /** Those that the work runs, `file name offset`; the warm-up's own left out. */
  runBy(work: () => void): ReadonlySet<string> {
    this.ask("Profiler.takePreciseCoverage");
    work();
    const { result } = this.ask("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    const own = result.filter(({ url }) => /\/src\/policy\/(?!warm-up)[a-z0-9-]+\.ts/.test(url));
    return new Set(
      own.flatMap(({ url, functions }) =>
        functions
          .filter(({ ranges }) => ranges[0]!.count > 0)
          .map(({ functionName, ranges }) => `${basename(url)} ${functionName} ${ranges[0]!.startOffset}`),
      ),
    );
  }

  stop(): void {
    this.ask("Profiler.stopPreciseCoverage");
    this.session.disconnect();
  }

  /** The inspector answers before `post` returns. */
  private ask(method: string, params: object = {}): unknown {
    let answer: unknown;
    this.session.post(method, params, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

const labelsOf = (app: string) =>
  toLabels(
    [`k8s:app=${app}`, "k8s:io.kubernetes.pod.namespace=shop", "k8s:io.cilium.k8s.policy.cluster=default"].map(
      parseLabel,
    ),
  );
const peer = (app: string) => ({ matchLabels: { app } });
const ports = (port: string, more: object = {}, rules?: object) => [
  { ports: [{ port, protocol: "TCP", ...more }], ...(rules && { rules }) },
];

function policy(name: string, spec: object, isWide = false) {
  const kind = isWide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy";
  const metadata = { name, ...(!isWide && { namespace: "shop" }) };
  const endpointSelector = isWide ? {} : peer("web");
  const parsed = parsePolicy({ apiVersion: "cilium.io/v2", kind, metadata, spec: { endpointSelector, ...spec } });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed;
}

/** A shop has nothing in common with the warm-up's cluster but the kinds of its rules. */
function shop() {
  const from = (app: string, port: string) => ({ fromEndpoints: [peer(app)], toPorts: ports(port) });
  const http = [{ method: "GET", path: "/" }];
  const cidr = { cidr: "192.0.2.0/24", except: ["192.0.2.128/25"] };
  const policies = [
    policy("front", { ingress: [from("cart", "80"), { fromEntities: ["world"], toPorts: ports("443") }] }),
    policy("pages", { ingress: [{ fromEndpoints: [peer("jobs")], toPorts: ports("80", {}, { http }) }] }),
    policy("never", { ingressDeny: [from("mail", "26")] }),
    policy("back", {
      egress: [{ toEndpoints: [peer("bank")], toPorts: ports("1000", { endPort: 1999 }) }, { toCIDRSet: [cidr] }],
    }),
    policy("all", { ingress: [from("mail", "25")] }, true),
  ];
  const replacements = [
    policy("all", { ingress: [from("jobs", "25")] }, true),
    policy("front", { ingress: [from("bank", "80")] }),
    policy("back", { egress: [{ toEndpoints: [peer("mail")] }] }),
  ];
  const repository = new Repository();
  for (const [id, labels] of reservedIdentities()) repository.selectors.upsertIdentity(id, labels);
  for (const [index, app] of ["web", "cart", "bank", "mail", "jobs"].entries())
    repository.selectors.upsertIdentity(FIRST_IDENTITY + index, labelsOf(app));
  for (const { key, rules } of policies) repository.upsert(key, rules);
  return { cache: new PolicyCache(repository, () => []), replacements };
}

test("after a warm-up nothing that an agent's first policy and first replacements run is run for the first time", () => {
  const { cache, replacements } = shop();
  const coverage = new Coverage();
  const warm = coverage.runBy(warmUp);
  let entries = 0;
  const firstPolicy = coverage.runBy(() => {
    const subject = { identity: FIRST_IDENTITY, labels: labelsOf("web"), namedPorts: [] };
    cache.policyOf(subject).forEachEntry(() => {
      entries++;
    });
  });
  let changed = 0;
  const replaced = coverage.runBy(() => {
    for (const { key, rules } of replacements)
      for (const { changes } of cache.replacePolicy(key, rules)) changed += changes?.added.length ?? 0;
  });
  coverage.stop();
  const cold = (run: ReadonlySet<string>) => [...run].filter((name) => !warm.has(name));
  expect({ firstPolicy: cold(firstPolicy), replaced: cold(replaced) }).toEqual({ firstPolicy: [], replaced: [] });
  // Policies that select nobody would run little.
  expect([entries, changed].every((count) => count > 0)).toBe(true);
});
