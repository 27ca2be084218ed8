/** Requests and rules by chance: the verdict on the wire, the engine's and a real Envoy's are the same. */
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpVerdict } from "../../src/policy/judge-l7.ts";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import { oracle } from "../oracle/cache.ts";
import { type Envoy, startEnvoy } from "../support/envoy.ts";
import { runHttp, statusesOf } from "../support/http-run.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { CLIENT, on, policyOf, query, server } from "../support/server-policy.ts";

const POLICIES = Number(process.env["SG_L7_POLICIES"] ?? 12);
const REQUESTS = Number(process.env["SG_L7_REQUESTS"] ?? 120);
const envoy = oracle("envoy");

const SEGMENTS = [
  "a",
  "b",
  "ab",
  "A",
  "v1",
  "x.y",
  ".",
  "..",
  "",
  "%61",
  "%2e%2e",
  "%2E",
  "a%20b",
  "a;b",
  "~",
  "%7e",
  "a+b",
  "%41",
  "\\",
];
const HOSTS = ["h", "api.example.com", "API.example.com", "api.example.com:80", "b", "b:8080"];
const VALUES = ["1", "2", "a b", "x,y"];

interface Asked {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

function requestOf(random: Random): Asked {
  const segments = Array.from({ length: 1 + random.below(4) }, () => random.pick(SEGMENTS));
  const query_ = random.percent(30) ? `?q=${random.pick(["1", "a/b", "..", "%2e"])}` : "";
  const headers = ["X-A", "x-b", "X-A"]
    .filter(() => random.percent(40))
    .map((name) => ({ name, value: random.pick(VALUES) }));
  return {
    method: random.pick(["GET", "POST", "PUT", "DELETE"]),
    target: `/${segments.join("/")}${query_}`,
    host: random.pick(HOSTS),
    headers,
  };
}

function ruleOf(random: Random): HttpRule {
  const path = [
    ".*",
    "/a",
    "/a.*",
    "/a/.*",
    "/(a|b)(/[^/]*)*",
    "/v1/[a-z]+",
    "/[^?]*",
    "/a%20b",
    "/.*\\?q=1",
    "/(.*/)?b",
    "/\\.\\./.*",
  ];
  return {
    ...(random.percent(50) ? { method: random.pick(["GET", "GET|POST", "P.*", "(?i)get"]) } : {}),
    ...(random.percent(75) ? { path: random.pick(path) } : {}),
    ...(random.percent(25)
      ? { host: random.pick(["h", ".*\\.example\\.com", "api.example.com(:80)?", "(?i)api\\.EXAMPLE\\.com"]) }
      : {}),
    ...(random.percent(20) ? { headers: [random.pick(["X-A: 1", "X-A", "x-b: a b", "X-A: 1,2"])] } : {}),
    ...(random.percent(10) ? { headerMatches: [{ name: "X-A", value: random.pick(VALUES) }] } : {}),
  };
}

/** The path as a server understands it, by the rules of WHATWG's URL and not by the proxy's own. */
function understood(target: string): string {
  const [path = "", ...rest] = target.split("?");
  const { pathname } = new URL(`http://h${path.replace(/%(?:2e)/gi, ".")}`);
  const unreserved = (escaped: string, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped;
  };
  const normal = pathname.replace(/%([0-9a-f]{2})/gi, unreserved).replace(/\/{2,}/g, "/");
  return [normal, ...rest].join("?");
}

const bytesOf = ({ method, target, host, headers }: Asked) =>
  `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${headers.map(({ name, value }) => `${name}: ${value}\r\n`).join("")}\r\n`;

function ask(port: number, sent: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(5000, () => socket.destroy());
    socket.once("data", (chunk) => {
      socket.destroy();
      resolve(statusesOf(chunk.toString("latin1"))[0] ?? 0);
    });
    socket.once("error", () => resolve(0));
    socket.write(sent);
  });
}

const backend = createServer((request, response) => {
  request.resume();
  response.end("ok");
});
beforeAll(() => new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve)));
let running: Envoy | undefined;
afterAll(() => {
  running?.stop();
  backend.close();
  backend.closeAllConnections();
});

describe(`rules by chance${"missing" in envoy ? `, without Envoy: ${envoy.missing}` : ", with Envoy"}`, {
  timeout: 120_000,
}, () => {
  test("mean the same on the wire, in the engine and in Envoy", async () => {
    const count = { allowed: 0, denied: 0 };
    for (let seed = 1; seed <= POLICIES; seed++) {
      const random = new Random(seed);
      const rules = Array.from({ length: 1 + random.below(4) }, () => ruleOf(random));
      const policy = policyOf([{ ...server, ingress: [on(80, { http: rules })] }]);
      const real =
        "path" in envoy ? await startEnvoy(envoy.path, rules, (backend.address() as AddressInfo).port) : undefined;
      running = real;
      for (let index = 0; index < REQUESTS; index++) {
        const asked = requestOf(random);
        const facts = {
          method: asked.method,
          path: understood(asked.target),
          host: asked.host,
          headers: asked.headers,
        };
        const what = `seed ${seed}: ${JSON.stringify([rules, asked, facts.path])}`;
        const isAllowed = httpVerdict(policy, query(CLIENT, 80), facts).verdict === "allow";
        const run = await runHttp(rules, [bytesOf(asked)]);
        expect(statusesOf(run.received), what).toEqual([isAllowed ? 200 : 403]);
        expect(run.passed.split(" ")[1], what).toBe(isAllowed ? facts.path : undefined);
        // Envoy's access control looks at each field of a name by itself; Cilium's filter, like the engine, at all of them as one.
        if (real !== undefined && new Set(asked.headers.map(({ name }) => name)).size === asked.headers.length)
          expect(await ask(real.port, bytesOf(asked)), `Envoy, ${what}`).toBe(isAllowed ? 200 : 403);
        count[isAllowed ? "allowed" : "denied"]++;
      }
      running?.stop();
      running = undefined;
    }
    console.log(JSON.stringify(count));
    expect(Math.min(count.allowed, count.denied)).toBeGreaterThan((POLICIES * REQUESTS) / 10);
  });
});
