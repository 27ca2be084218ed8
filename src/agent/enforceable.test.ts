import { describe, expect, it } from "vitest";
import { parsePolicy } from "../policy/parse.ts";
import { unenforceable } from "./enforceable.ts";

function fieldsOf(object: unknown, options = {}): string[] {
  const parsed = parsePolicy(object, options);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  const errors = unenforceable(parsed.rules);
  expect(errors.every(({ mend }) => mend !== undefined)).toBe(true);
  return errors.map(({ field }) => field);
}

function policy(spec: object, kind = "CiliumClusterwideNetworkPolicy"): unknown {
  return { apiVersion: "cilium.io/v2", kind, metadata: { name: "p" }, spec };
}

const egress = (element: object) => policy({ endpointSelector: {}, egress: [element] });
const onPort = (more: object, port: object = { port: "80", protocol: "TCP" }) =>
  egress({ toPorts: [{ ports: [port], ...more }] });
const secret = { secret: { name: "s", namespace: "n" } };
const onHeader = (match: object) => onPort({ rules: { http: [{}, { headerMatches: [match] }] } });
const PORT = "spec.egress[0].toPorts[0]";

describe("what is not enforced here", () => {
  it.each<[string, unknown]>([
    ["spec.egress[0].authentication", egress({ toEntities: ["all"], authentication: { mode: "required" } })],
    [`${PORT}.rules.http[1].headerMatches[0]`, onHeader({ name: "Content-Length", mismatch: "DELETE" })],
    [`${PORT}.rules.http[1].headerMatches[0]`, onHeader({ name: "Host", value: "a", mismatch: "REPLACE" })],
    [`${PORT}.rules.http[1].headerMatches[0]`, onHeader({ name: "a b", value: "a", mismatch: "ADD" })],
    [`${PORT}.rules.http[1].headerMatches[0]`, onHeader({ name: "a", value: "1\r\nb: 2", mismatch: "ADD" })],
    [`${PORT}.rules.http[1].headerMatches[0]`, onHeader({ name: "host", ...secret })],
    [`${PORT}.terminatingTLS`, onPort({ terminatingTLS: secret })],
    [`${PORT}.originatingTLS`, onPort({ originatingTLS: secret })],
    [`${PORT}.listener`, onPort({ listener: { envoyConfig: { name: "c" }, name: "l" } })],
    [`${PORT}.ports`, onPort({}, { port: "0", protocol: "VRRP" })],
  ])("%s", (field, object) => {
    expect(fieldsOf(object)).toEqual([field]);
  });

  it("has no nodes as peers", () => {
    const nodes = { toNodes: [{ matchLabels: { "node:zone": "a" } }] };
    expect(fieldsOf(egress(nodes), { nodeSelectorLabels: true })).toEqual(["spec.egress[0].toNodes"]);
  });
});

it("enforces the rest", () => {
  const headerMatches = [
    { name: "a", value: "1" },
    { name: "b", value: "2", mismatch: "REPLACE" },
    { name: "host", value: "c", mismatch: "LOG" },
    { name: "d", ...secret, mismatch: "ADD" },
  ];
  const rules = { http: [{ path: "/a", headers: ["X"], headerMatches }] };
  const spec = {
    endpointSelector: {},
    enableDefaultDeny: { ingress: false },
    ingress: [
      { fromEndpoints: [{}], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules }] },
      { fromEntities: ["cluster"], authentication: { mode: "disabled" } },
    ],
    ingressDeny: [{ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] }],
    log: { value: "x" },
    egress: [
      { toServices: [{ k8sService: { serviceName: "a" } }] },
      { toCIDRSet: [{ cidrGroupRef: "g" }] },
      { icmps: [{ fields: [{ type: 8 }] }] },
      { toPorts: [{ ports: [{ port: "1", protocol: "SCTP" }] }] },
      { toPorts: [{ ports: [{ port: "443", protocol: "TCP" }], serverNames: ["*.example.com"] }] },
    ],
  };
  expect(fieldsOf(policy(spec))).toEqual([]);
});
