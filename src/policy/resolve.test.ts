import { describe, expect, it } from "vitest";
import { identityLabelsOfPod, reservedIdentities } from "../model/identity.ts";
import { explain } from "./explain.ts";
import { lookup } from "./lookup.ts";
import { parsePolicy } from "./parse.ts";
import { Repository } from "./repository.ts";
import { resolveEndpointPolicy } from "./resolve.ts";
import type { ResolveOptions } from "./stance.ts";

function pod(app: string) {
  const facts = { namespace: "default", namespaceLabels: {}, serviceAccount: "", cluster: "default" };
  return identityLabelsOfPod({ ...facts, podLabels: { app } });
}

const SERVER = 1000;
const CLIENT = 1001;

function world(...specs: readonly object[]) {
  const repository = new Repository();
  const cache = repository.selectors;
  for (const [id, labels] of reservedIdentities()) cache.upsertIdentity(id, labels);
  cache.upsertIdentity(SERVER, pod("server"));
  cache.upsertIdentity(CLIENT, pod("client"));
  for (const [index, spec] of specs.entries()) {
    const metadata = { name: `policy-${index}`, namespace: "default" };
    const result = parsePolicy({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata,
      spec,
    });
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    repository.upsert(result.key, result.rules);
  }
  return { repository, cache };
}

function resolve({ repository }: ReturnType<typeof world>, options: ResolveOptions = {}, identity = SERVER) {
  return resolveEndpointPolicy(repository, { labels: pod("server"), identity, namedPorts: [] }, () => [], options);
}

const fromClient = { fromEndpoints: [{ matchLabels: { app: "client" } }] };
const onPort = (port: string, endPort?: number) => ({
  toPorts: [{ ports: [{ port, protocol: "TCP", ...(endPort ? { endPort } : {}) }] }],
});
const server = { endpointSelector: { matchLabels: { app: "server" } } };
const tcp = (identity: number, port: number) => ({ direction: "ingress", identity, protocol: 6, port }) as const;

describe("entries", () => {
  it("leave out what a broader deny covers, of the peer and of everybody", () => {
    const spec = {
      ...server,
      ingress: [{ ...fromClient, ...onPort("80") }],
      ingressDeny: [{ ...fromClient, ...onPort("1", 65_535) }, onPort("81")],
    };
    const ingress = resolve(world(spec)).entries.filter(({ direction }) => direction === "ingress");
    expect(ingress.some(({ identity, deny }) => identity === CLIENT && !deny)).toBe(false);
    expect(ingress.filter(({ deny }) => deny).every(({ precedence }) => precedence === 0xffff_ffff)).toBe(true);
  });

  it("leave out a peer's own where every peer has the same", () => {
    const { entries } = resolve(world({ ...server, ingress: [onPort("80"), { ...fromClient, ...onPort("80") }] }));
    expect(entries.filter(({ identity }) => identity === CLIENT)).toEqual([]);
  });

  it("cover a range by blocks, each port once", () => {
    const policy = resolve(world({ ...server, ingress: [onPort("80", 90)] }));
    const hits = Array.from({ length: 20 }, (_, index) => lookup(policy, tcp(CLIENT, 75 + index)).verdict);
    expect(hits.filter((verdict) => verdict === "allow")).toHaveLength(11);
  });

  it("are refused when the kernel's map cannot hold them", () => {
    const crowded = world({ ...server, ingress: [{ fromEndpoints: [{}], ...onPort("1", 65_534) }] });
    for (let id = 2000; id < 6800; id++) crowded.cache.upsertIdentity(id, pod(`a${id}`));
    expect(() => resolve(crowded)).toThrow(/map entries; at most 131072/);
  });
});

describe("redirects", () => {
  const rules = (port: string, endPort: number | undefined, method: string) => {
    const { toPorts } = onPort(port, endPort);
    return { toPorts: [{ ...toPorts[0], rules: { http: [{ method }] } }] };
  };

  it("have one set of rules for each piece of overlapping ranges, and entries that fit the pieces", () => {
    const policy = resolve(
      world({ ...server, ingress: [rules("80", 90, "GET"), { ...fromClient, ...rules("85", undefined, "PUT") }] }),
    );
    expect(policy.redirects.map(({ key, port, endPort, rules: list }) => [key, port, endPort, list.length])).toEqual([
      ["ingress:TCP:80-84", 80, 84, 2],
      ["ingress:TCP:85", 85, undefined, 3],
      ["ingress:TCP:86-90", 86, 90, 2],
    ]);
    expect(lookup(policy, tcp(CLIENT, 85)).entry?.redirect).toBe("ingress:TCP:85");
    expect(lookup(policy, tcp(7777, 85)).entry?.redirect).toBe("ingress:TCP:85");
    expect(lookup(policy, tcp(7777, 86)).entry?.redirect).toBe("ingress:TCP:86-90");
  });

  it("name the identities that a selector covers now", () => {
    const made = world({ ...server, ingress: [{ ...fromClient, ...rules("80", undefined, "GET") }] });
    expect(resolve(made).redirects[0]?.rules[0]?.identities).toEqual([CLIENT]);
    made.cache.upsertIdentity(1500, pod("client"));
    expect(resolve(made).redirects[0]?.rules[0]?.identities).toEqual([CLIENT, 1500]);
    made.cache.removeIdentity(1500);
    made.cache.removeIdentity(CLIENT);
    expect(resolve(made).redirects).toEqual([]);
  });
});

describe("a named port at egress", () => {
  const toWeb = world({ ...server, egress: [{ toPorts: [{ ports: [{ port: "web", protocol: "TCP" }] }] }] });
  const verdictWith = (...numbers: readonly number[]) => {
    const ports = numbers.map((port) => ({ name: "Web", port, protocol: 6 }));
    const subject = { labels: pod("server"), identity: SERVER, namedPorts: [] };
    const policy = resolveEndpointPolicy(toWeb.repository, subject, (id) => (id === CLIENT ? ports : []));
    return lookup(policy, { direction: "egress", identity: CLIENT, protocol: 6, port: 8080 }).verdict;
  };

  it("is the peer's, and nothing when its pods do not agree on the number", () => {
    expect(verdictWith(8080)).toBe("allow");
    expect(verdictWith(8080, 8080)).toBe("allow");
    expect(verdictWith(8080, 9090)).toBe("deny");
    expect(verdictWith()).toBe("deny");
  });
});

describe("enforcement", () => {
  it("is off for the host and in mode never, and on everywhere in mode always", () => {
    const made = world({ ...server, ingress: [{}] });
    expect(resolve(made, {}, 1).ingressEnforced).toBe(false);
    expect(lookup(resolve(made, { mode: "never" }), tcp(CLIENT, 80)).verdict).toBe("allow");
    const always = resolve(made, { mode: "always" });
    expect(always.egressEnforced).toBe(true);
    expect(lookup(always, { ...tcp(CLIENT, 80), direction: "egress" }).verdict).toBe("deny");
  });

  it("can close the node out", () => {
    const made = world({ ...server, ingress: [{}] });
    expect(lookup(resolve(made), tcp(1, 80)).verdict).toBe("allow");
    expect(lookup(resolve(made, { allowLocalhost: false }), tcp(1, 80)).verdict).toBe("deny");
  });

  it("does not mistake a pod with the label key host or init for the node or for a new pod", () => {
    const made = world({ endpointSelector: {}, ingress: [{}] });
    const labels = identityLabelsOfPod({
      podLabels: { host: "x", init: "y" },
      namespace: "default",
      namespaceLabels: {},
      serviceAccount: "",
      cluster: "default",
    });
    const policy = resolveEndpointPolicy(made.repository, { labels, identity: 3000, namedPorts: [] });
    expect([policy.ingressEnforced, policy.egressEnforced]).toEqual([true, false]);
  });
});

describe("explain", () => {
  it("names every rule that allows, the one that denies, and the ones behind a default deny", () => {
    const allow = { ...server, ingress: [{ ...fromClient, ...onPort("80") }] };
    const deny = { ...server, ingressDeny: [onPort("81")] };
    const policy = resolve(world(allow, allow, deny));
    expect(explain(policy, tcp(CLIENT, 80)).text).toBe(
      "ingress from identity 1001 on TCP 80 is allowed by CiliumNetworkPolicy default/policy-0 spec.ingress[0], CiliumNetworkPolicy default/policy-1 spec.ingress[0]",
    );
    expect(explain(policy, tcp(CLIENT, 81)).rules.map(({ name, path }) => [name, path])).toEqual([
      ["policy-2", "spec.ingressDeny[0]"],
    ]);
    const byDefault = explain(policy, tcp(CLIENT, 82));
    expect(byDefault.rules.map(({ name }) => name)).toEqual(["policy-0", "policy-1", "policy-2"]);
    expect(byDefault.text).toContain("default deny is on by");
  });
});
