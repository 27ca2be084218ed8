/** The proxy's word on a request against the engine's, for random policies of every kind, tiers and passes included. */
import { describe, expect, it } from "vitest";
import { headerMatchFault } from "../../src/policy/header-match-fault.ts";
import { judgeL7 } from "../../src/policy/judge-l7.ts";
import { lookup } from "../../src/policy/lookup.ts";
import type { L7Redirect } from "../../src/policy/policy-map.ts";
import { policiesOfScenario } from "../../src/policy/scenario.ts";
import { RequestPolicy } from "../../src/proxy/request-policy.ts";
import type { NetworkPolicy } from "../../src/proxy/xds.ts";
import { fromWire, toWire } from "../../src/proxy/xds-wire.ts";
import { randomScenario } from "../support/policy-scenarios.ts";

const SCENARIOS = Number(process.env["SG_PROXY_SCENARIOS"] ?? 1500);
const NOBODY = 54_321;
const REQUESTS = ["GET", "POST", "PUT"]
  .flatMap((method) =>
    ["/", "/a", "/public/x", "/v1/request-landing"].map((path) => ({
      method,
      path,
      host: "www.example.com",
    })),
  )
  .flatMap((request) => [
    { ...request, headers: [{ name: "x-b", value: "1" }] },
    { ...request, headers: [{ name: "X-A", value: "2" }] },
  ]);
const SECRETS = new Map([["ns1/token", "1"]]);

/** What the proxy is given: it knows neither listeners nor names of servers. */
function isForProxy({ parser, rules }: L7Redirect): boolean {
  const isPlain = rules.every(
    ({ listener, serverNames, http = [] }) =>
      listener === undefined &&
      serverNames === undefined &&
      http.every(({ headerMatches = [] }) => headerMatches.every((match) => headerMatchFault(match) === undefined)),
  );
  return parser === "http" && isPlain;
}

function throughWire(redirect: L7Redirect): NetworkPolicy {
  const policy = { endpointId: 1, endpointIp: "172.20.1.1", revision: 1, redirects: [redirect], secrets: SECRETS };
  return fromWire(toWire(policy, new Map([[redirect.key, 10_000]]))).policy;
}

describe("the proxy and the engine", { timeout: 120_000 }, () => {
  it("say the same of every request that is redirected", () => {
    let judged = 0;
    let passes = 0;
    let acted = 0;
    for (let seed = 0; seed < SCENARIOS; seed++) {
      for (const [name, policy] of policiesOfScenario(randomScenario(seed, { isValid: true }))) {
        for (const redirect of policy.redirects.filter(isForProxy)) {
          const sent = throughWire(redirect);
          const proxy = new RequestPolicy(sent.redirects[0]!, sent.secrets);
          passes += redirect.rules.filter(({ passTo }) => passTo !== undefined).length;
          const peers = new Set([NOBODY, ...redirect.rules.flatMap(({ identities = [] }) => identities)]);
          for (const identity of peers) {
            const { direction, protocol, port } = redirect;
            const query = { direction, identity, protocol, port };
            if (lookup(policy, query).verdict !== "redirect") continue;
            for (const http of REQUESTS) {
              const { verdict, actions: wanted } = judgeL7(policy, query, { http }, SECRETS);
              if (verdict === "unknown") continue;
              judged++;
              acted += wanted.length;
              const what = `seed ${seed}, ${name}, ${redirect.key}, ${identity}: ${http.method} ${http.path}`;
              const { allowed, actions } = proxy.judge(identity, http);
              expect({ verdict: allowed ? "allow" : "deny", actions }, what).toEqual({ verdict, actions: wanted });
            }
          }
        }
      }
    }
    console.log(`${judged} requests judged alike, ${passes} passes, ${acted} actions on headers`);
    expect(judged).toBeGreaterThan(SCENARIOS);
    expect(passes).toBeGreaterThan(0);
    expect(acted).toBeGreaterThan(0);
  });
});
