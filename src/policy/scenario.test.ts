import { describe, expect, it } from "vitest";
import { evaluateScenario, type Scenario } from "./scenario.ts";

const metadata = { name: "p", namespace: "default" };
const policy = (spec: object) => ({ apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec });
const server = { endpointSelector: { matchLabels: { app: "server" } } };
const onPort = (port: number, rules?: object) => ({
  toPorts: [{ ports: [{ port: `${port}`, protocol: "TCP" }], ...(rules === undefined ? {} : { rules }) }],
});

const world = {
  id: "s",
  endpoints: [
    { name: "server", labels: { app: "server" }, namedPorts: [{ name: "web", port: 80, protocol: "TCP" as const }] },
    { name: "client", labels: { app: "client" } },
  ],
  policies: [] as unknown[],
};

const [CLIENT, SERVER] = ["default/client", "default/server"] as const;

function ask(query: Partial<Scenario["queries"][number]>, more: Partial<Scenario> = {}) {
  const queries = [{ id: "q", from: CLIENT, to: SERVER, port: 80, ...query }];
  return evaluateScenario({ ...world, ...more, queries }).find(({ id }) => id === "q")!;
}

describe("a question that has no answer", () => {
  it.each<[string, Partial<Scenario["queries"][number]>, object]>([
    ["a source unknown", { from: "default/x" }, { verdict: "unknown", error: "nobody is called default/x" }],
    ["a destination unknown", { to: "default/x" }, { verdict: "unknown", error: "nobody is called default/x" }],
    ["a name unknown", { to: "a.example" }, { verdict: "unknown", error: "the addresses of a.example are not known" }],
    ["no such protocol", { proto: "XYZ" as never }, { verdict: "error", error: "protocol XYZ" }],
    ["a wildcard as protocol", { proto: "ANY" as never }, { verdict: "error", error: "protocol ANY" }],
    ["no such port name", { port: "dns" }, { verdict: "unknown", error: `port name dns is not known at ${SERVER}` }],
  ])("says why: %s", (_what, query, want) => {
    expect(ask(query)).toEqual({ scenario: "s", id: "q", ...want });
  });

  it("says which rules contradict each other", () => {
    const tls = (name: string) => ({
      toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], terminatingTLS: { secret: { namespace: "ns", name } } }],
    });
    const answer = ask({}, { policies: [policy({ ...server, ingress: [tls("a"), tls("b")] })] });
    expect(answer).toMatchObject({ verdict: "error", error: expect.stringContaining("different terminatingTLS") });
    expect(answer).not.toHaveProperty("final");
  });
});

describe("what becomes of a connection", () => {
  const get = policy({ ...server, ingress: [onPort(80, { http: [{ method: "GET" }] })] });
  const none = policy({ endpointSelector: { matchLabels: { app: "client" } }, egress: [onPort(81)] });

  it("is left open where the request is not given", () => {
    const answer = ask({}, { policies: [get] });
    expect(answer.verdict).toBe("redirect");
    expect(answer).not.toHaveProperty("final");
    expect(answer).not.toHaveProperty("error");
    expect(ask({ sni: "a" }, { policies: [get] })).toMatchObject({ error: "unknown: no http facts in the query" });
  });

  it("is said where it is, a drop before what is open", () => {
    expect(ask({ http: {} }, { policies: [get] }).final).toBe("forwarded");
    expect(ask({ http: { method: "PUT" } }, { policies: [get] }).final).toBe("dropped");
    expect(ask({}, { policies: [get, { ...none, metadata: { ...metadata, name: "n" } }] })).toMatchObject({
      verdict: "denied",
      final: "dropped",
    });
    expect(ask({})).toMatchObject({ verdict: "allowed", final: "forwarded" });
    expect(ask({ port: "web" })).toMatchObject({ verdict: "allowed" });
  });

  it("is judged by the ingress end as the egress end's proxy sent it", () => {
    const headers = (action: object) => ({ http: [{ headerMatches: [{ name: "x", value: "1", ...action }] }] });
    const egress = {
      endpointSelector: { matchLabels: { app: "client" } },
      egress: [onPort(80, headers({ mismatch: "ADD" }))],
    };
    const ingress = policy({ ...server, ingress: [onPort(80, headers({}))] });
    const editing = { ...policy(egress), metadata: { ...metadata, name: "e" } };
    expect(ask({ http: {} }, { policies: [ingress] }).final).toBe("dropped");
    expect(ask({ http: {} }, { policies: [ingress, editing] }).final).toBe("forwarded");
    expect(ask({ http: { headers: { x: "2" } } }, { policies: [ingress, editing] }).final).toBe("dropped");
  });

  it("asks the only item of a secret, or the one called generic; with a choice it is missing", () => {
    const rule = { http: [{ headerMatches: [{ name: "token", secret: { namespace: "default", name: "s" } }] }] };
    const policies = [policy({ ...server, ingress: [onPort(80, rule)] })];
    const isForwarded = (items: Readonly<Record<string, string>>) =>
      ask({ http: { headers: { token: "1" } } }, { policies, secrets: { "default/s": items } }).final === "forwarded";
    expect(isForwarded({ a: "1" })).toBe(true);
    expect(isForwarded({ a: "2", generic: "1" })).toBe(true);
    expect(isForwarded({ a: "1", generic: "2" })).toBe(false);
    expect(isForwarded({ a: "1", b: "1" })).toBe(false);
    expect(isForwarded({ a: "1\n" })).toBe(false);
  });
});

describe("the node", () => {
  const kind = "CiliumClusterwideNetworkPolicy";
  const spec = { nodeSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: "server" } }] }] };
  const closing = { apiVersion: "cilium.io/v2", kind, metadata: { name: "host" }, spec };
  const verdict = (config: Scenario["config"]) =>
    ask({ to: "reserved:host", direction: "ingress" }, { policies: [closing], config }).verdict;

  it("is closed only where its firewall is on", () => {
    expect(verdict({ hostFirewall: true })).toBe("denied");
    expect([verdict({ hostFirewall: false }), verdict({})]).toEqual(["allowed", "allowed"]);
  });
});

describe("the entries of all", () => {
  const endpointsOf = (config: object, policies: unknown[] = []) =>
    evaluateScenario({ ...world, policies, queries: [], config: { dumpEntries: true, ...config } } as Scenario).map(
      ({ verdict, endpoint }) => `${verdict} ${endpoint}`,
    );

  it("are those of each endpoint, and of the node where it has a firewall", () => {
    const pods = [`entries ${SERVER}`, `entries ${CLIENT}`];
    expect(endpointsOf({})).toEqual(pods);
    expect(endpointsOf({ hostFirewall: true })).toEqual([...pods, "entries reserved:host"]);
    expect(endpointsOf({ dumpEntries: false })).toEqual([]);
  });

  it("leave out whose rules contradict each other", () => {
    const asking = (mode: string) => ({ fromEntities: ["all"], authentication: { mode } });
    const rules = policy({ ...server, ingress: [asking("required"), asking("disabled")] });
    expect(endpointsOf({}, [rules])).toEqual([`entries ${CLIENT}`]);
  });
});
