/** The proxy's word on a request against the engine's, for random policies of every kind, tiers and passes included. */
import { describe, expect, it } from "vitest";
import { judgeL7 } from "../../src/policy/judge-l7.ts";
import { lookup } from "../../src/policy/lookup.ts";
import type { L7Redirect } from "../../src/policy/policy-map.ts";
import { policiesOfScenario } from "../../src/policy/scenario.ts";
import { RequestPolicy } from "../../src/proxy/request-policy.ts";
import { fromWire, toWire } from "../../src/proxy/xds-wire.ts";
import { randomScenario } from "../support/policy-scenarios.ts";

const SCENARIOS = Number(process.env["SG_PROXY_SCENARIOS"] ?? 1500);
const NOBODY = 54_321;
const REQUESTS = ["GET", "POST", "PUT"].flatMap((method) =>
  ["/", "/a", "/public/x", "/v1/request-landing"].map((path) => ({
    method,
    path,
    host: "www.example.com",
    headers: [{ name: "x-b", value: "1" }],
  })),
);

/** What the proxy is given: it knows neither listeners nor names of servers, and the lab refuses header matches. */
function isForProxy({ parser, rules }: L7Redirect): boolean {
  const isPlain = rules.every(({ listener, serverNames, http = [] }) => {
    const hasActions = http.some(({ headerMatches }) => headerMatches !== undefined);
    return listener === undefined && serverNames === undefined && !hasActions;
  });
  return parser === "http" && isPlain;
}

function throughWire(redirect: L7Redirect): L7Redirect {
  const policy = { endpointId: 1, endpointIp: "172.20.1.1", revision: 1, redirects: [redirect] };
  return fromWire(toWire(policy as never, new Map([[redirect.key, 10_000]]))).policy.redirects[0]!;
}

describe("the proxy and the engine", { timeout: 120_000 }, () => {
  it("say the same of every request that is redirected", () => {
    let judged = 0;
    let passes = 0;
    for (let seed = 0; seed < SCENARIOS; seed++) {
      for (const [name, policy] of policiesOfScenario(randomScenario(seed, { isValid: true }))) {
        for (const redirect of policy.redirects.filter(isForProxy)) {
          const proxy = new RequestPolicy(throughWire(redirect));
          passes += redirect.rules.filter(({ passTo }) => passTo !== undefined).length;
          const peers = new Set([NOBODY, ...redirect.rules.flatMap(({ identities = [] }) => identities)]);
          for (const identity of peers) {
            const { direction, protocol, port } = redirect;
            const query = { direction, identity, protocol, port };
            if (lookup(policy, query).verdict !== "redirect") continue;
            for (const http of REQUESTS) {
              const { verdict } = judgeL7(policy, query, { http });
              if (verdict === "unknown") continue;
              judged++;
              const what = `seed ${seed}, ${name}, ${redirect.key}, ${identity}: ${http.method} ${http.path}`;
              expect(proxy.judge(identity, http).allowed ? "allow" : "deny", what).toBe(verdict);
            }
          }
        }
      }
    }
    console.log(`${judged} requests judged alike, ${passes} passes`);
    expect(judged).toBeGreaterThan(SCENARIOS);
    expect(passes).toBeGreaterThan(0);
  });
});
