import { describe, expect, test } from "vitest";
import { readScenario } from "./read-scenario.ts";
import { evaluateScenario } from "./scenario.ts";

const whole = {
  id: "s",
  config: {
    enableIPv4: true,
    enableIPv6: true,
    policyMode: "always",
    clusterName: "c",
    allowLocalhost: "auto",
    hostFirewall: true,
    cidrMatchMode: ["nodes"],
    nodeSelectorLabels: false,
    dumpEntries: true,
    explain: false,
  },
  policies: [{ anything: null }, "text"],
  endpoints: [
    {
      name: "a",
      namespace: "n",
      labels: { "a.b/c": "d" },
      namespaceLabels: {},
      serviceAccount: "s",
      cluster: "c",
      namedPorts: [{ name: "http", port: 80, protocol: "TCP" }],
      ips: ["10.0.0.1"],
      identity: 1000,
      rawLabels: ["k8s:a=b"],
    },
  ],
  cidrLabels: { "192.0.2.0/24": ["reserved:kube-apiserver"] },
  fqdnCache: { "a.example": ["192.0.2.1"] },
  hostLabels: ["k8s:x=y"],
  services: [{ name: "s", namespace: "n", labels: {}, selector: {}, backends: ["192.0.2.1"] }],
  secrets: { "n/s": { key: "value" } },
  queries: [
    {
      id: "q",
      direction: "both",
      from: "a",
      to: "n/a",
      port: "http",
      proto: "TCP",
      http: { headers: { a: "b" } },
      sni: "",
    },
    { id: "r", from: "a", to: "10.0.0.1", port: 65_535, dns: "a.example" },
  ],
};

test("takes every field of the format and changes nothing in it", () => {
  expect(readScenario(whole)).toEqual({ ok: true, scenario: whole });
});

test("reads null and absent alike, in every part that the engine reads", () => {
  const sparse = {
    id: "s",
    config: { policyMode: null, clusterName: null },
    policies: null,
    endpoints: [{ name: "a", labels: null, namespace: null, namedPorts: null, ips: null, rawLabels: null }],
    services: null,
    secrets: null,
    fqdnCache: null,
    queries: [{ id: "q", from: "a", to: "reserved:world", proto: null, http: null, direction: null }],
  };
  const read = readScenario(sparse);
  expect(read).toMatchObject({ ok: true, scenario: { policies: [], endpoints: [{ name: "a" }] } });
  expect(read.ok && evaluateScenario(read.scenario)).toMatchObject([{ id: "q", verdict: "allowed" }]);
});

test("without lists there is nothing to answer", () => {
  const read = readScenario({ id: "s" });
  expect(read.ok && evaluateScenario(read.scenario)).toEqual([]);
});

describe("refuses by field", () => {
  const query = { id: "q", from: "a", to: "b" };
  test.each([
    ["what is no object", 5, ""],
    ["a missing id", {}, "id"],
    ["a misspelt field", { id: "s", endpoint: [] }, "endpoint"],
    ["a misspelt setting", { id: "s", config: { enableIpv6: true } }, "config.enableIpv6"],
    ["a mode that there is not", { id: "s", config: { policyMode: "on" } }, "config.policyMode"],
    ["an endpoint without a name", { id: "s", endpoints: [{}] }, "endpoints[0].name"],
    ["labels that are no texts", { id: "s", endpoints: [{ name: "a", labels: { b: 1 } }] }, 'endpoints[0].labels["b"]'],
    ["a list for a map", { id: "s", fqdnCache: [] }, "fqdnCache"],
    ["a query without an end", { id: "s", queries: [{ ...query, to: null }] }, "queries[0].to"],
    ["a port out of range", { id: "s", queries: [{ ...query, port: 65_536 }] }, "queries[0].port"],
    ["a part of a port", { id: "s", queries: [query, { ...query, port: 1.5 }] }, "queries[1].port"],
    [
      "a named port without its number",
      { id: "s", endpoints: [{ name: "a", namedPorts: [{ name: "p" }] }] },
      "endpoints[0].namedPorts[0].port",
    ],
    ["an unknown direction", { id: "s", queries: [{ ...query, direction: "in" }] }, "queries[0].direction"],
  ])("%s", (_, value, field) => {
    expect(readScenario(value)).toMatchObject({ ok: false, errors: [{ field }] });
  });
});
