/** The proxy's word on a request against the engine's, for random policies of every kind, tiers and passes included. */
import { describe, expect, it } from "vitest";
import { headerMatchFault } from "../../src/policy/header-match-fault.ts";
import { dnsVerdict, judgeL7, serverNameVerdict } from "../../src/policy/judge-l7.ts";
import { lookup } from "../../src/policy/lookup.ts";
import type { L7Redirect } from "../../src/policy/policy-map.ts";
import { policiesOfScenario } from "../../src/policy/scenario.ts";
import { DnsPolicy } from "../../src/proxy/dns-policy.ts";
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
const NAMES = [
  undefined,
  "",
  "www.example.com",
  "WWW.EXAMPLE.COM",
  "www.example.com.",
  "example.com",
  "a.b.example.com",
  "no",
];
const QUESTIONS = [
  "www.example.com.",
  "example.com.",
  "api.example.com.",
  "a.b.example.com.",
  "other.org.",
  ".",
  "\\\\032.example.com.",
];
const SECRETS = new Map([["ns1/token", "1"]]);

/** What the proxy is given: it knows no listeners. */
function isForProxy({ parser, rules }: L7Redirect): boolean {
  const isPlain = rules.every(
    ({ listener, http = [] }) =>
      listener === undefined &&
      http.every(({ headerMatches = [] }) => headerMatches.every((match) => headerMatchFault(match) === undefined)),
  );
  return parser !== "crd" && isPlain;
}

function throughWire(redirect: L7Redirect): NetworkPolicy {
  const policy = { endpointId: 1, endpointIp: "172.20.1.1", revision: 1, redirects: [redirect], secrets: SECRETS };
  return fromWire(toWire(policy, new Map([[redirect.key, 10_000]]))).policy;
}

const requestPolicy = ({ redirects: [redirect], secrets }: NetworkPolicy) => new RequestPolicy(redirect!, secrets);

/** The redirects of random policies that the proxy serves, each with the peers that are sent there. */
function* redirects(parser: L7Redirect["parser"]) {
  for (let seed = 0; seed < SCENARIOS; seed++) {
    for (const [name, policy] of policiesOfScenario(randomScenario(seed, { isValid: true }))) {
      for (const redirect of policy.redirects.filter(isForProxy)) {
        if (redirect.parser !== parser) continue;
        const sent = throughWire(redirect);
        const peers = new Set([NOBODY, ...redirect.rules.flatMap(({ identities = [] }) => identities)]);
        for (const identity of peers) {
          const { direction, protocol, port } = redirect;
          const query = { direction, identity, protocol, port };
          const what = `seed ${seed}, ${name}, ${redirect.key}, ${identity}`;
          if (lookup(policy, query).verdict === "redirect") yield { policy, redirect, sent, query, identity, what };
        }
      }
    }
  }
}

describe("the proxy and the engine", { timeout: 120_000 }, () => {
  it("say the same of every request that is redirected", () => {
    let judged = 0;
    let passes = 0;
    let acted = 0;
    for (const { policy, redirect, sent, query, identity, what } of redirects("http")) {
      const proxy = requestPolicy(sent);
      passes += redirect.rules.filter(({ passTo }) => passTo !== undefined).length;
      for (const http of REQUESTS) {
        const { verdict, actions: wanted } = judgeL7(policy, query, { http }, SECRETS);
        if (verdict === "unknown") continue;
        judged++;
        acted += wanted.length;
        const { allowed, actions } = proxy.judge(identity, http);
        const judgement = { verdict: allowed ? "allow" : "deny", actions };
        expect(judgement, `${what}: ${http.method} ${http.path}`).toEqual({ verdict, actions: wanted });
      }
    }
    console.log(`${judged} requests judged alike, ${passes} passes, ${acted} actions on headers`);
    expect(judged).toBeGreaterThan(SCENARIOS);
    expect(passes).toBeGreaterThan(0);
    expect(acted).toBeGreaterThan(0);
  });

  it("say the same of every name that a TLS client asks for", () => {
    const counts = { allow: 0, deny: 0, unknown: 0 };
    for (const { policy, sent, query, identity, what } of redirects("tls")) {
      const proxy = requestPolicy(sent);
      for (const name of NAMES) {
        const { verdict } = serverNameVerdict(policy, query, name);
        counts[verdict]++;
        // An HTTP rule stands before: what TLS hides is not known, and the proxy lets nobody through on a guess.
        if (verdict === "unknown") continue;
        expect(proxy.judgeServerName(identity, name).allowed ? "allow" : "deny", `${what}: ${name}`).toBe(verdict);
      }
    }
    console.log(`${JSON.stringify(counts)} names`);
    expect(Math.min(counts.allow, counts.deny)).toBeGreaterThan(SCENARIOS / 4);
  });

  it("say the same of every name that a DNS client asks for", () => {
    const counts = { allow: 0, deny: 0, unknown: 0 };
    for (const { policy, sent, query, identity, what } of redirects("dns")) {
      const proxy = new DnsPolicy(sent.redirects[0]!);
      for (const name of QUESTIONS) {
        const { verdict } = dnsVerdict(policy, query, name);
        counts[verdict]++;
        expect(proxy.refusal(identity, name) === undefined ? "allow" : "deny", `${what}: ${name}`).toBe(verdict);
      }
    }
    console.log(`${JSON.stringify(counts)} questions`);
    expect(Math.min(counts.allow, counts.deny)).toBeGreaterThan(SCENARIOS / 4);
  });
});
