import { describe, expect, it } from "vitest";
import { CLUSTERWIDE, policy } from "../../test/support/cilium-policy.ts";
import { parsePolicy } from "./parse.ts";

function fieldsOf(object: unknown): string[] {
  const result = parsePolicy(object);
  return result.ok ? [] : result.errors.map(({ field }) => field);
}

const subject = { endpointSelector: {} };
const ingress = (element: unknown) => policy({ ...subject, ingress: [element] });
const egress = (element: unknown) => policy({ ...subject, egress: [element] });
const host = (rule: object) => policy({ nodeSelector: {}, ...rule }, CLUSTERWIDE);
const TCP_80 = { port: "80", protocol: "TCP" };
const onPort = (more: unknown, port: unknown = TCP_80) =>
  ingress({ toPorts: [{ ports: [port], ...(more as object) }] });
const toPort = (more: unknown, port: unknown = TCP_80) => egress({ toPorts: [{ ports: [port], ...(more as object) }] });

describe("what is refused, by the field's name", () => {
  it.each([
    ["spec.egress[0].toGroups", egress({ toGroups: [{}] })],
    ["spec.ingress[0].fromGroups", ingress({ fromGroups: [] })],
    ["spec.ingress[0].fromNodes", ingress({ fromNodes: [{}] })],
    ["spec.egress[0].toNodes", egress({ toNodes: [{}] })],
    ["spec.egress[0].toServices[0]", egress({ toServices: [{}] })],
    ["spec.egress[0].toServices[0]", egress({ toServices: [{ k8sService: null }] })],
    ["spec.egress[0].toServices[0].k8sServiceSelector.selector", egress({ toServices: [{ k8sServiceSelector: {} }] })],
    ["spec.egress[0].toFQDNs[0]", egress({ toFQDNs: [{ matchName: "a", matchPattern: "b" }] })],
    ["spec.egress[0].toFQDNs[0].matchName", egress({ toFQDNs: [{ matchName: "*.a" }] })],
    ["spec.egress[0].toFQDNs[0].matchPattern", egress({ toFQDNs: [{ matchPattern: "a..b" }] })],
    ["spec.egress[0]", egress({ toFQDNs: [{ matchName: "a" }], toEntities: ["world"] })],
    ["spec.ingress[0].toFQDNs", ingress({ toFQDNs: [{ matchName: "a" }] })],
    ["spec.egressDeny[0].toFQDNs", policy({ ...subject, egressDeny: [{ toFQDNs: [] }] })],
    [
      "spec.egressDeny[0].authentication",
      policy({ ...subject, egressDeny: [{ authentication: { mode: "required" } }] }),
    ],
    ["spec.ingress[0].authentication.mode", ingress({ authentication: { mode: "always" } })],
    ["spec.ingress[0].authentication.mode", ingress({ authentication: {} })],
    ["spec.ingress[0].toPorts[0].listener", onPort({ listener: { envoyConfig: { name: "c" }, name: "l" } })],
    ["spec.egress[0].toPorts[0].listener.envoyConfig", toPort({ listener: { name: "l" } })],
    ["spec.egress[0].toPorts[0].listener.name", toPort({ listener: { envoyConfig: { name: "c" } } })],
    [
      "spec.egress[0].toPorts[0].listener",
      toPort({ listener: { envoyConfig: { name: "c" }, name: "l" }, rules: { http: [{}] } }),
    ],
    ["spec.egress[0].toPorts[0].terminatingTLS.secret", toPort({ terminatingTLS: {} })],
    ["spec.egress[0].toPorts[0].originatingTLS.secret.name", toPort({ originatingTLS: { secret: {} } })],
    ["spec.egress[0].toPorts[0].serverNames[0]", toPort({ serverNames: [""] })],
    ["spec.egress[0].toPorts[0].serverNames", toPort({ serverNames: ["a"], rules: { http: [{}] } })],
    ["spec.ingress[0].toPorts[0].rules.dns", onPort({ rules: { dns: [{ matchName: "a" }] } })],
    ["spec.egress[0].toPorts[0].rules", toPort({ rules: { dns: [{ matchName: "a" }], http: [] } })],
    ["spec.egress[0].toPorts[0].rules.dns[0].matchPattern", toPort({ rules: { dns: [{ matchPattern: "a?" }] } })],
    ["spec.egress[0].toPorts[0].ports", toPort({ rules: { dns: [{}] } }, { port: "53", endPort: 54 })],
    ["spec.egress[0].toPorts[0].ports", egress({ toPorts: [{ rules: { dns: [{}] } }] })],
    ["spec.egress[0].toPorts[0].ports", toPort({ rules: { dns: [{}] } }, { port: "0" })],
    ["spec.ingress[0].toPorts[0].rules.kafka", onPort({ rules: { kafka: [] } })],
    ["spec.ingress[0].toPorts[0].rules.http[0].path", onPort({ rules: { http: [{ path: "(" }] } })],
    ["spec.ingress[0].toPorts[0].rules.http[0].method", onPort({ rules: { http: [{ method: "(?=a)" }] } })],
    [
      "spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].name",
      onPort({ rules: { http: [{ headerMatches: [{ value: "a" }] }] } }),
    ],
    [
      "spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0].mismatch",
      onPort({ rules: { http: [{ headerMatches: [{ name: "a", mismatch: "DROP" }] }] } }),
    ],
    ["spec.ingress[0].toPorts[0].ports", onPort({ rules: { http: [{}] } }, { port: "80" })],
    ["spec.ingress[0].toPorts[0].ports", onPort({ rules: { http: [{}] } }, { port: "0", protocol: "TCP" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: 80 })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, {})],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "65536" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "080" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "1__0" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "way-too-long-name" })],
    ["spec.ingress[0].toPorts[0].ports[0].port", onPort({}, { port: "1", protocol: "VRRP" })],
    ["spec.ingress[0].toPorts[0].ports[0].protocol", onPort({}, { port: "1", protocol: "ICMP" })],
    ["spec.ingress[0].toPorts[0].ports[0].endPort", onPort({}, { port: "1", endPort: 70000 })],
    [
      "spec.ingress[0].toPorts[0].ports",
      ingress({ toPorts: [{ ports: Array.from({ length: 41 }, () => ({ port: "1" })) }] }),
    ],
    ["spec.ingress[0].icmps", ingress({ toPorts: [{ ports: [{ port: "1" }] }], icmps: [{ fields: [{ type: 8 }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{ type: "PacketTooBig" }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{ type: 256 }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{}] }] })],
    ["spec.ingress[0].icmps[0].fields[0].type", ingress({ icmps: [{ fields: [{ type: "toString" }] }] })],
    ["spec.ingress[0].icmps[0].fields[0].family", ingress({ icmps: [{ fields: [{ family: "ipv4", type: 8 }] }] })],
    ["spec.ingress[0]", ingress({ fromEndpoints: [{}], fromEntities: ["world"] })],
    ["spec.ingress[0].fromEntities[0]", ingress({ fromEntities: ["aliens"] })],
    ["spec.ingress[0].fromEntities[0]", ingress({ fromEntities: ["toString"] })],
    ["spec.ingress[0].fromCIDR[0]", ingress({ fromCIDR: ["10.0.0.0/99"] })],
    ["spec.ingress[0].fromCIDRSet[0].cidr", ingress({ fromCIDRSet: [{ cidr: "10.0.0.1" }] })],
    ["spec.ingress[0].fromCIDRSet[0].cidr", ingress({ fromCIDRSet: [{}] })],
    ["spec.ingress[0].fromCIDRSet[0].cidrGroupRef", ingress({ fromCIDRSet: [{ cidrGroupRef: "G" }] })],
    ["spec.ingress[0].fromCIDRSet[0]", ingress({ fromCIDRSet: [{ cidrGroupRef: "g", cidr: "10.0.0.0/8" }] })],
    ["spec.ingress[0].fromCIDRSet[0].except[0]", ingress({ fromCIDRSet: [{ cidrGroupRef: "g", except: ["x"] }] })],
    ["spec.ingress[0].fromCIDRSet[0].except[0]", ingress({ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["::/8"] }] })],
    [
      "spec.ingress[0].fromCIDRSet[0].except[0]",
      ingress({ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["0.0.0.0/0"] }] }),
    ],
    ["spec.ingress[0].fromRequires", ingress({ fromRequires: [{}] })],
    ["spec.ingress[0].toEndpoints", ingress({ toEndpoints: [{}] })],
    ["spec.ingressDeny[0].toPorts[0].rules", policy({ ...subject, ingressDeny: [{ toPorts: [{ rules: {} }] }] })],
    ["spec.nodeSelector", policy({ nodeSelector: {}, ingress: [{}] })],
    ["spec.nodeSelector", host({ ...subject, ingress: [{}] })],
    [
      "spec.ingress[0].toPorts[0].rules",
      host({ ingress: [{ toPorts: [{ ports: [TCP_80], rules: { http: [{}] } }] }] }),
    ],
    ["spec.log.value", policy({ ...subject, ingress: [{}], log: { value: "x".repeat(33) } })],
    ["spec.log.value", policy({ ...subject, ingress: [{}], log: { value: "a\nb" } })],
    ["spec.surprise", policy({ ...subject, ingress: [{}], surprise: 1 })],
    ["spec.endpointSelector", policy({ ingress: [{}] })],
    [
      "spec.endpointSelector.matchExpressions[0].operator",
      policy({ endpointSelector: { matchExpressions: [{ key: "a", operator: "in", values: ["b"] }] }, ingress: [{}] }),
    ],
    [
      "spec.endpointSelector.matchExpressions[0].values",
      policy({ endpointSelector: { matchExpressions: [{ key: "a", operator: "In" }] }, ingress: [{}] }),
    ],
    [
      'spec.ingress[0].fromEndpoints[0].matchLabels["a b"]',
      ingress({ fromEndpoints: [{ matchLabels: { "a b": "c" } }] }),
    ],
    [
      'spec.ingress[0].fromEndpoints[0].matchLabels["$host"]',
      ingress({ fromEndpoints: [{ matchLabels: { $host: "" } }] }),
    ],
    ['spec.ingress[0].fromEndpoints[0].matchLabels[":a"]', ingress({ fromEndpoints: [{ matchLabels: { ":a": "" } }] })],
    [
      'spec.ingress[0].fromEndpoints[0].matchLabels["a-b:c"]',
      ingress({ fromEndpoints: [{ matchLabels: { "a-b:c": "" } }] }),
    ],
    [
      "spec.endpointSelector.matchExpressions[0].values[0]",
      policy({
        endpointSelector: { matchExpressions: [{ key: "a", operator: "In", values: ["b c"] }] },
        ingress: [{}],
      }),
    ],
    [
      "spec.endpointSelector.matchExpressions[0].key",
      policy({ endpointSelector: { matchExpressions: [{ key: 5, operator: "Exists" }] }, ingress: [{}] }),
    ],
    ["spec.description", policy({ ...subject, ingress: [{}], description: 5 })],
    [
      "spec.egress[0].toPorts[0].listener.envoyConfig.kind",
      policy(
        {
          ...subject,
          egress: [
            {
              toPorts: [
                { ports: [TCP_80], listener: { envoyConfig: { kind: "CiliumEnvoyConfig", name: "c" }, name: "l" } },
              ],
            },
          ],
        },
        CLUSTERWIDE,
      ),
    ],
    [
      "spec.egress[0].toPorts[0].listener.envoyConfig.name",
      toPort({ listener: { envoyConfig: { name: "" }, name: "l" } }),
    ],
    ["spec.egress[0].toPorts[0].listener.envoyConfig.name", toPort({ listener: { envoyConfig: {}, name: "l" } })],
    ["spec.egress[0].toFQDNs[0].matchName", egress({ toFQDNs: [{ matchName: 5 }] })],
    ["spec", policy({ ...subject })],
    ["spec", policy({ ...subject, ingress: [], egress: null })],
    ["spec", policy(undefined)],
    [
      "specs[1].ingress[0].fromEntities[0]",
      policy(undefined, {
        specs: [
          { ...subject, ingress: [{}] },
          { ...subject, ingress: [{ fromEntities: ["x"] }] },
        ],
      }),
    ],
    ["kind", policy({ ...subject, ingress: [{}] }, { kind: "Pod" })],
    ["apiVersion", policy({ ...subject, ingress: [{}] }, { apiVersion: "cilium.io/v1" })],
    ["metadata.name", policy({ ...subject, ingress: [{}] }, { metadata: {} })],
    ["metadata.namespace", policy({ ...subject, ingress: [{}] }, { kind: "CiliumClusterwideNetworkPolicy" })],
    ["data", policy({ ...subject, ingress: [{}] }, { data: 1 })],
  ])("%s", (field, object) => {
    expect(fieldsOf(object)).toContain(field);
  });

  it("names every mistake of an object at once, with a mend", () => {
    const result = parsePolicy(onPort({ listener: {} }, { port: 80, protocol: "ICMP" }));
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.errors.map(({ field }) => field).sort()).toEqual([
      "spec.ingress[0].toPorts[0].listener.envoyConfig",
      "spec.ingress[0].toPorts[0].listener.name",
      "spec.ingress[0].toPorts[0].ports[0].port",
      "spec.ingress[0].toPorts[0].ports[0].protocol",
    ]);
    expect(result.errors.every(({ mend }) => mend !== undefined)).toBe(true);
  });
});
