import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatLabels, type Label } from "../model/label.ts";
import { labelsOutside, OutsideLabels, outsidePrefixes } from "./outside-labels.ts";
import { parsePolicy } from "./parse.ts";
import { Repository } from "./repository.ts";

const options = { worldKey: (family: 4 | 6) => `world-ipv${family}`, families: [4, 6] as const };

function fqdn(...keys: string[]): Label[] {
  return keys.map((key) => ({ source: "fqdn", key, value: "" }));
}

function addPolicy(repository: Repository, name: string, egress: readonly object[]): void {
  const parsed = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: "default" },
    spec: { endpointSelector: {}, egress },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  repository.upsert(parsed.key, parsed.rules);
}

function withCidrs(...toCIDR: string[]): Repository {
  const repository = new Repository();
  addPolicy(repository, "cidrs", [{ toCIDR }]);
  return repository;
}

function labelsOf(outside: OutsideLabels, address: string, given: readonly Label[]): string[] | undefined {
  const found = outside.of(address, given);
  return found && formatLabels(found.labels);
}

describe("one address", () => {
  test("in a policy's prefix and with a name has the labels of both", () => {
    const outside = new OutsideLabels(withCidrs("192.0.2.0/24", "192.0.0.0/16", "2001:db8::/32"), options);
    expect(outside.of("192.0.2.1", fqdn("api.example.com"))).toEqual({
      prefix: "192.0.2.1/32",
      labels: [
        { source: "cidr", key: "192.0.2.0/24", value: "" },
        { source: "fqdn", key: "api.example.com", value: "" },
        { source: "reserved", key: "world-ipv4", value: "" },
      ],
    });
    expect(labelsOf(outside, "2001:db8::1/128", fqdn("a.x"))).toEqual([
      "cidr:2001-db8--0/32",
      "fqdn:a.x",
      "reserved:world-ipv6",
    ]);
  });

  test("with a name alone is of the world; with nothing it is nobody of its own", () => {
    const outside = new OutsideLabels(withCidrs("192.0.2.0/24"), options);
    expect(labelsOf(outside, "198.51.100.1", fqdn("a.x", "*.x"))).toEqual([
      "fqdn:*.x",
      "fqdn:a.x",
      "reserved:world-ipv4",
    ]);
    expect(outside.of("192.0.2.1", [])).toBeUndefined();
    expect(outside.of("nonsense", fqdn("a.x"))).toBeUndefined();
  });

  test("that a policy names keeps its identity without a name", () => {
    const outside = new OutsideLabels(withCidrs("192.0.2.1/32"), options);
    expect(labelsOf(outside, "192.0.2.1", [])).toEqual(["cidr:192.0.2.1/32", "reserved:world-ipv4"]);
  });

  test("in the cluster has no label of what is outside", () => {
    const outside = new OutsideLabels(withCidrs("192.0.2.0/24"), options);
    const node = { source: "reserved", key: "remote-node", value: "" };
    expect(labelsOf(outside, "192.0.2.1", [node, ...fqdn("a.x")])).toEqual(["reserved:remote-node"]);
  });

  test("of a family that is not here is nobody", () => {
    const outside = new OutsideLabels(withCidrs("2001:db8::/32"), { ...options, families: [4] });
    expect(outside.of("2001:db8::1", fqdn("a.x"))).toBeUndefined();
    expect(outside.all([["2001:db8::1/128", fqdn("a.x")]])).toEqual(new Map());
  });

  test("follows the policies", () => {
    const repository = withCidrs("192.0.2.0/24");
    const outside = new OutsideLabels(repository, options);
    outside.of("192.0.2.1", fqdn("a.x"));
    addPolicy(repository, "more", [{ toCIDR: ["192.0.2.0/28"] }]);
    expect(labelsOf(outside, "192.0.2.1", fqdn("a.x"))?.[0]).toBe("cidr:192.0.2.0/28");
  });
});

test("what a name will give its addresses is known before", () => {
  const repository = new Repository();
  addPolicy(repository, "names", [{ toFQDNs: [{ matchName: "api.example.com" }, { matchPattern: "*.example.com" }] }]);
  const outside = new OutsideLabels(repository, options);
  const expected = [...outside.expected().values()].map((labels) => formatLabels(labels).join());
  expect(expected).toHaveLength(4);
  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    for (const key of ["api.example.com", "*.example.com"]) {
      expect(expected).toContain(labelsOf(outside, address, fqdn(key))?.join());
    }
  }
});

const CIDRS = ["0.0.0.0/0", "192.0.0.0/16", "192.0.2.0/24", "192.0.2.1/32", "2001:db8::/32", "::/0"];
const given = fc.array(
  fc.tuple(
    fc.constantFrom("192.0.2.1/32", "192.0.2.2/32", "198.51.100.1/32", "2001:db8::1/128"),
    fc.subarray([...fqdn("a.x", "b.x"), { source: "reserved", key: "kube-apiserver", value: "" }], { minLength: 1 }),
  ),
  { maxLength: 4 },
);

test("one by one and all together are the same as a table of everything", () => {
  fc.assert(
    fc.property(fc.subarray(CIDRS), given, (cidrs, labels) => {
      const repository = new Repository();
      if (cidrs.length > 0) addPolicy(repository, "cidrs", [{ toCIDR: cidrs }]);
      const outside = new OutsideLabels(repository, options);
      const table = outsidePrefixes(repository, labels);
      const wanted = [...table.entries()].filter(([, { cidr }]) => cidr.length > 0);
      const all = outside.all(labels);
      expect([...all.keys()].toSorted()).toEqual(wanted.map(([text]) => text).toSorted());
      for (const [text, { cidr }] of wanted) {
        const expected = labelsOutside(cidr, table, options);
        expect(all.get(text)).toEqual(expected);
        const own = labels.filter(([address]) => address === text).flatMap(([, more]) => more);
        if (own.length > 0) expect(outside.of(text, own)).toEqual({ prefix: text, labels: expected });
      }
    }),
    { numRuns: 300 },
  );
});
