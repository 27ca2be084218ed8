import { describe, expect, it } from "vitest";
import {
  CLIENT,
  from,
  on,
  podLabels,
  policyOf,
  query,
  repositoryOf,
  SERVER,
  server,
} from "../../test/support/server-policy.ts";
import { judgeL7 } from "./judge-l7.ts";
import { resolveEndpointPolicy } from "./resolve.ts";

const ingress = (...elements: readonly object[]) => ({ ...server, ingress: elements });
const get = { http: [{ method: "GET" }] };
const onUdp = (port: string, endPort: number) => ({ toPorts: [{ ports: [{ port, protocol: "UDP", endPort }] }] });

describe("a redirect", () => {
  const rulesOf = (...specs: readonly object[]) =>
    policyOf(specs).redirects.map(({ key, rules }) => [key, rules.map(({ identities }) => identities ?? "all")]);

  it("is neither cut by rules for another protocol nor has them", () => {
    const own = rulesOf(ingress(on(80, get, 90)));
    expect(own).toEqual([["ingress:TCP:80-90", ["all", [1]]]]);
    expect(rulesOf(ingress(on(80, get, 90), { ...from("client"), ...onUdp("85", 95) }))).toEqual(own);
  });

  it("is cut by rules for its own protocol, and has those for all", () => {
    expect(rulesOf(ingress(on(80, get, 90), { ...from("client"), ...on(85, undefined, 95) }))).toEqual([
      ["ingress:TCP:80-84", ["all", [1]]],
      ["ingress:TCP:85-90", ["all", [CLIENT], [1]]],
    ]);
    expect(rulesOf(ingress(on(80, get, 90), from("client")))).toEqual([["ingress:TCP:80-90", ["all", [CLIENT], [1]]]]);
  });

  it("is refused where ranges cut each other into too many pieces", () => {
    const ranges = Array.from({ length: 800 }, (_, index) => on(1000 + index, get, 30_000 + index));
    expect(() => rulesOf(ingress(...ranges))).toThrow(/overlap/);
    expect(rulesOf(ingress(...ranges.slice(0, 20)))).toHaveLength(39);
  });

  it("has its sets in one order, whichever identity came first", () => {
    const ports = [80, "web"].map((port) => ({ port: `${port}`, protocol: "TCP" }));
    const toEndpoints = [{ matchLabels: { app: "late" } }];
    const repository = repositoryOf([{ ...server, egress: [{ toEndpoints, toPorts: [{ ports, rules: get }] }] }]);
    const portsOf = (identity: number) => (identity === 2001 ? [{ name: "web", port: 80, protocol: 6 }] : []);
    const setsOf = (...identities: readonly number[]) => {
      for (const id of identities) repository.selectors.removeIdentity(id);
      for (const id of identities) repository.selectors.upsertIdentity(id, podLabels("late"));
      const subject = { labels: podLabels("server"), identity: SERVER, namedPorts: [] };
      const { redirects } = resolveEndpointPolicy(repository, subject, portsOf);
      return redirects.flatMap(({ rules }) => rules.map(({ identities: some }) => some));
    };
    expect(setsOf(2000, 2001)).toEqual([[2000, 2001], [2001]]);
    expect(setsOf(2001, 2000)).toEqual([[2000, 2001], [2001]]);
  });

  it("does not come of a port's name without a number", () => {
    const specs = [ingress(on("web", get))];
    expect(policyOf(specs).redirects).toEqual([]);
    const web = (port: number) => ({ name: "web", port, protocol: 6 });
    expect(policyOf(specs, { namedPorts: [web(8080)] }).redirects.map(({ key }) => key)).toEqual(["ingress:TCP:8080"]);
  });
});

describe("a connection by server name", () => {
  const policy = policyOf([
    ingress({ toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: ["a.b"] }] }),
  ]);
  const judged = (facts: Parameters<typeof judgeL7>[2]) => {
    const { verdict, missing } = judgeL7(policy, query(CLIENT, 443), facts);
    return [verdict, missing];
  };

  it("is unknown without a name, and refused where a request shows that there is none", () => {
    expect(judged({})).toEqual(["unknown", "sni"]);
    expect(judged({ dns: "a.b" })).toEqual(["unknown", "sni"]);
    expect(judged({ sni: "" })).toEqual(["deny", undefined]);
    expect(judged({ http: { method: "GET", host: "a.b", path: "/", headers: [] } })).toEqual(["deny", undefined]);
    expect(judged({ sni: "a.b" })).toEqual(["allow", undefined]);
  });
});
