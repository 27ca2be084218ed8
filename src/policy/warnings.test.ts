import { describe, expect, it } from "vitest";
import { policy } from "../../test/support/cilium-policy.ts";
import { parsePolicy } from "./parse.ts";

function warningsOf(object: unknown): string[] {
  const result = parsePolicy(object);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.warnings.map(({ field }) => field);
}

const all = { fromEntities: ["all"] };
const rule = (...ingress: object[]) => policy({ endpointSelector: {}, ingress });
const egress = (...elements: object[]) => policy({ endpointSelector: {}, egress: elements });
/** Beside an element that means something, so that the policy as a whole does too. */
const beside = (element: object) => rule(all, element);
const onPort = (port: object, more: object = {}) => beside({ toPorts: [{ ports: [port], ...more }] });
const http = (written: object) => onPort({ port: "80", protocol: "TCP" }, { rules: { http: [written] } });
const dns = {
  toEntities: ["all"],
  toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }],
};
const subject = (selector: object) => policy({ endpointSelector: selector, ingress: [all] });
const peer = (selector: object) => beside({ fromEndpoints: [selector] });
const expression = (key: string, operator: string, values?: string[]) => ({ key, operator, values });
const both = (...matchExpressions: object[]) => peer({ matchExpressions });
const PEER = "spec.ingress[1].fromEndpoints[0]";

describe("what draws a warning, and where", () => {
  it.each<[string, string, unknown]>([
    ["no ports", "spec.ingress[1].toPorts[0]", beside({ toPorts: [{}] })],
    ["an empty list of ports", "spec.ingress[1].toPorts[0]", beside({ toPorts: [{ ports: [] }] })],
    ["no ICMP types", "spec.ingress[1].icmps[0]", beside({ icmps: [{}] })],
    ["an empty list of peers", "spec.ingress[1].fromEndpoints", beside({ fromEndpoints: [] })],
    ["an empty list of names", "spec.egress[1].toFQDNs", egress({ toEntities: ["all"] }, { toFQDNs: [] })],
    ["the entity none", "spec.ingress[1].fromEntities[0]", beside({ fromEntities: ["none"] })],
    ["two values", PEER, both(expression("a", "In", ["b"]), expression("a", "In", ["c"]))],
    ["a value left out", PEER, both(expression("a", "In", ["b"]), expression("a", "NotIn", ["b", "c"]))],
    ["there and not there", PEER, both(expression("k8s:a", "Exists"), expression("a", "DoesNotExist"))],
    ["a label of no identity", PEER, peer({ matchLabels: { "pod-template-hash": "x" } })],
    ["a label of no identity, in the subject", "spec.endpointSelector", subject({ matchLabels: { "k8s.io/x": "" } })],
    [
      "another namespace in the subject",
      "spec.endpointSelector",
      subject({ matchLabels: { "k8s:io.kubernetes.pod.namespace": "other" } }),
    ],
    [
      "another namespace of any source in the subject",
      "spec.endpointSelector",
      subject({ matchLabels: { "io.kubernetes.pod.namespace": "other" } }),
    ],
    ["a reserved label in the subject", "spec.endpointSelector", subject({ matchLabels: { "reserved:init": "" } })],
    ["ICMP type 0", "spec.ingress[1].icmps[0].fields[0].type", beside({ icmps: [{ fields: [{ type: 0 }] }] })],
    ["a range that ends too early", "spec.ingress[1].toPorts[0].ports[0].endPort", onPort({ port: "9", endPort: 8 })],
    ["a range from port 0", "spec.ingress[1].toPorts[0].ports[0].endPort", onPort({ port: "0", endPort: 8 })],
    ["a range from a name", "spec.ingress[1].toPorts[0].ports[0].endPort", onPort({ port: "http", endPort: 8 })],
    ["an octal port", "spec.ingress[1].toPorts[0].ports[0].port", onPort({ port: "010" })],
    ["no HTTP rules", "spec.ingress[1].toPorts[0].rules", onPort({ port: "80" }, { rules: { http: [] } })],
    [
      "an exception of everything",
      "spec.ingress[1].fromCIDRSet[0].except[0]",
      beside({ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] }] }),
    ],
    [
      "a group selector without conditions",
      "spec.ingress[1].fromCIDRSet[0].cidrGroupSelector",
      beside({ fromCIDRSet: [{ cidrGroupSelector: {} }] }),
    ],
    ["a path without a slash", "spec.ingress[1].toPorts[0].rules.http[0].path", http({ path: "admin/.*" })],
    ["a method in small letters", "spec.ingress[1].toPorts[0].rules.http[0].method", http({ method: "get" })],
    ["a name without DNS rules", "spec.egress[0].toFQDNs", egress({ toFQDNs: [{ matchName: "a" }] })],
    ["a name that is none", "spec.egress[1].toFQDNs[0]", egress(dns, { toFQDNs: [{}] })],
    [
      "a service by name and labels",
      "spec.egress[0].toServices[0].k8sService",
      egress({ toServices: [{ k8sService: { serviceName: "a" }, k8sServiceSelector: { selector: {} } }] }),
    ],
    [
      "HTTP rules without default deny",
      "spec.ingress[0].toPorts[0].rules",
      policy({
        endpointSelector: {},
        ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{}] } }] }],
        enableDefaultDeny: { ingress: false },
      }),
    ],
    ["default deny alone", "spec", rule({})],
    ["nothing at all", "spec", policy({ endpointSelector: {}, ingress: [{}], enableDefaultDeny: { ingress: false } })],
    [
      "types that leave a direction out",
      "spec.policyTypes",
      policy(
        { podSelector: {}, policyTypes: ["Ingress"], ingress: [{}], egress: [{}] },
        { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" },
      ),
    ],
  ])("%s", (_, field, object) => {
    expect(warningsOf(object)).toEqual([field]);
  });

  it.each<[string, unknown]>([
    ["a plain rule", rule(all)],
    ["two ways to say a value", both(expression("a", "In", ["b", "c"]), expression("k8s:a", "NotIn", ["b"]))],
    ["other sources", both(expression("k8s:a", "DoesNotExist"), expression("a", "Exists"))],
    ["a path", http({ path: "/admin/.*" })],
    ["an expression that may begin with a slash", http({ path: "admin|/x" })],
    ["an expression whose first letter may be missing", http({ path: "a?/x" })],
    ["a name beside a DNS rule", egress({ toFQDNs: [{ matchName: "a" }] }, dns)],
  ])("but not %s", (_, object) => {
    expect(warningsOf(object)).toEqual([]);
  });
});
