import { describe, expect, it } from "vitest";
import type { AccessRecord } from "../model/access-record.ts";
import { parseLabel, toLabels } from "../model/label.ts";
import { parsePolicy } from "../policy/parse.ts";
import { Repository } from "../policy/repository.ts";
import { resolveEndpointPolicy } from "../policy/resolve.ts";
import { requestRules } from "./request-rules.ts";

const SHIP = 300;
const EMPIRE = toLabels(
  ["k8s:org=empire", "k8s:io.kubernetes.pod.namespace=default", "k8s:io.cilium.k8s.policy.cluster=default"].map(
    parseLabel,
  ),
);
const HTTP_PORT = { ports: [{ port: "80", protocol: "TCP" }] };
const RECORD: AccessRecord = {
  ...{ type: "request", verdict: "forwarded", timeMs: 0, direction: "ingress", endpointId: 1, reason: "" },
  ...{ sourceIdentity: SHIP, sourceAddress: "10.0.0.1", sourcePort: 4000 },
  ...{ destinationIdentity: 301, destinationAddress: "10.0.0.2", destinationPort: 80 },
  ...{ protocol: "HTTP/1.1", method: "POST", url: "http://deathstar/v1/request-landing?x=1" },
  ...{ status: 0, latencyMs: 0, headers: [{ name: "X-Ship", value: "tie" }] },
};

/** Of an endpoint under these rules, each a policy. */
function policyOf(specs: Readonly<Record<string, object>>) {
  const repository = new Repository();
  repository.selectors.upsertIdentity(SHIP, EMPIRE);
  for (const [name, spec] of Object.entries(specs)) {
    const parsed = parsePolicy({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name, namespace: "default" },
      spec: { endpointSelector: {}, ...spec },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    repository.upsert(parsed.key, parsed.rules);
  }
  return resolveEndpointPolicy(repository, { identity: SHIP, labels: EMPIRE, namedPorts: [] });
}

const allowing = (http: object, from: object = {}) => ({
  ingress: [{ ...from, toPorts: [{ ...HTTP_PORT, rules: { http: [http] } }] }],
});
const FROM_EMPIRE = { fromEndpoints: [{ matchLabels: { org: "empire" } }] };
const DEATHSTAR = {
  landing: allowing({ method: "POST", path: "/v1/request-landing.*", headers: ["X-Ship tie"] }, FROM_EMPIRE),
  reading: allowing({ method: "GET", host: "deathstar" }),
};

function namesFor(record: Partial<AccessRecord>, specs: Readonly<Record<string, object>> = DEATHSTAR) {
  const rules = requestRules({ ...RECORD, ...record }, policyOf(specs));
  return rules && { names: rules.origins.map(({ name }) => name).sort(), matched: rules.matched };
}

describe("the rules behind what the proxy said", () => {
  it("are those that allowed the request, not all of the port", () => {
    expect(namesFor({})).toEqual({ names: ["landing"], matched: true });
    expect(namesFor({ method: "GET" })).toEqual({ names: ["reading"], matched: true });
  });

  it("are one where they speak of the same peers and port", () => {
    const specs = { ...DEATHSTAR, writing: allowing({ method: "PUT" }) };
    expect(namesFor({ method: "PUT" }, specs)).toEqual({ names: ["reading", "writing"], matched: true });
  });

  it("are all that were asked about a denied request, where none allowed it", () => {
    expect(namesFor({ verdict: "denied", method: "PUT" })).toEqual({ names: ["landing", "reading"], matched: false });
  });

  it("are those of names and of server names too", () => {
    const toPorts = (port: string, protocol: string, more: object) => ({
      egress: [{ toEntities: ["all"], toPorts: [{ ports: [{ port, protocol }], ...more }] }],
    });
    const specs = {
      dns: toPorts("53", "UDP", { rules: { dns: [{ matchName: "empire.org" }] } }),
      tls: toPorts("443", "TCP", { serverNames: ["empire.org"] }),
    };
    const egress = { direction: "egress", destinationIdentity: SHIP } as const;
    const asked = { query: "empire.org.", type: 1, transport: "udp", code: 0, ttl: 0 } as const;
    const dns = { ...asked, addresses: [], cnames: [], types: [] };
    const tls = { serverName: "empire.org", protocols: [] };
    const of53 = { ...egress, destinationPort: 53, dns };
    expect(namesFor(of53, specs)).toEqual({ names: ["dns"], matched: true });
    expect(namesFor({ ...of53, dns: { ...dns, query: "rebels.org." }, verdict: "denied" }, specs)).toEqual({
      names: ["dns"],
      matched: false,
    });
    expect(namesFor({ ...egress, destinationPort: 443, tls }, specs)).toEqual({ names: ["tls"], matched: true });
  });

  it("are not known where the policy does not explain the record", () => {
    expect(namesFor({ type: "response" })).toBeUndefined();
    expect(namesFor({ verdict: "error" })).toBeUndefined();
    // its form was refused, or the policy has changed
    expect(namesFor({ verdict: "denied" })).toBeUndefined();
    expect(namesFor({ destinationPort: 81 })).toBeUndefined();
    expect(requestRules(RECORD, undefined)).toBeUndefined();
  });

  it("are all that may have allowed it, where a secret decides", () => {
    const secret = { name: "token", namespace: "default" };
    const specs = {
      ...DEATHSTAR,
      landing: allowing({ method: "POST", headerMatches: [{ name: "X-Token", secret }] }, FROM_EMPIRE),
    };
    expect(namesFor({}, specs)).toEqual({ names: ["landing", "reading"], matched: true });
  });
});
