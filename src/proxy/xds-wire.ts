import { create } from "@bufbuild/protobuf";
import {
  NetworkPolicySchema,
  type PortNetworkPolicy,
  type PortNetworkPolicyRule,
  Direction as WireDirection,
  type NetworkPolicy as WirePolicy,
} from "../../proto/gen/proxy_pb.js";
import type { HttpRule } from "../policy/l7-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";
import type { NetworkPolicy } from "./xds.ts";

/** The policy as a message, with the port at which each redirect is to listen. */
export function toWire(policy: NetworkPolicy, ports: ReadonlyMap<string, number>): WirePolicy {
  return create(NetworkPolicySchema, {
    endpointId: policy.endpointId,
    endpointIp: policy.endpointIp,
    revision: policy.revision,
    redirects: policy.redirects.map((redirect) => ({
      key: redirect.key,
      direction: redirect.direction === "ingress" ? WireDirection.INGRESS : WireDirection.EGRESS,
      protocol: redirect.protocol,
      port: redirect.port,
      parser: redirect.parser,
      rules: redirect.rules.map(ruleToWire),
      proxyPort: ports.get(redirect.key) ?? 0,
    })),
  });
}

function ruleToWire(rule: L7PeerRules) {
  return {
    deny: rule.deny,
    origin: rule.origin,
    ...(rule.identities === undefined ? {} : { remotePolicies: { identities: [...rule.identities] } }),
    ...(rule.http === undefined ? {} : { httpRules: { httpRules: rule.http.map(httpToWire) } }),
    ...(rule.passTo === undefined ? {} : { passTo: rule.passTo }),
  };
}

function httpToWire(rule: HttpRule) {
  return { ...rule, headers: [...(rule.headers ?? [])] };
}

/** Reads a policy; throws naming what this proxy does not know, because guessing would open or shut a pod. */
export function fromWire(wire: WirePolicy): { policy: NetworkPolicy; ports: ReadonlyMap<string, number> } {
  return {
    policy: {
      endpointId: wire.endpointId,
      endpointIp: wire.endpointIp,
      revision: wire.revision,
      redirects: wire.redirects.map(redirectFromWire),
    },
    ports: new Map(wire.redirects.map((redirect) => [redirect.key, redirect.proxyPort])),
  };
}

function redirectFromWire(wire: PortNetworkPolicy): L7Redirect {
  if (wire.parser !== "http") throw new Error(`redirect ${wire.key}: parser "${wire.parser}" is not http`);
  if (wire.direction !== WireDirection.INGRESS && wire.direction !== WireDirection.EGRESS) {
    throw new Error(`redirect ${wire.key}: direction ${wire.direction} is neither ingress nor egress`);
  }
  return {
    key: wire.key,
    direction: wire.direction === WireDirection.INGRESS ? "ingress" : "egress",
    protocol: wire.protocol,
    port: wire.port,
    parser: "http",
    rules: wire.rules.map(ruleFromWire),
  };
}

function ruleFromWire(wire: PortNetworkPolicyRule): L7PeerRules {
  return {
    deny: wire.deny,
    origin: wire.origin,
    ...(wire.remotePolicies === undefined ? {} : { identities: wire.remotePolicies.identities }),
    ...(wire.httpRules === undefined ? {} : { http: wire.httpRules.httpRules.map(httpFromWire) }),
    ...(wire.passTo === undefined ? {} : { passTo: wire.passTo }),
  };
}

function httpFromWire(wire: { method?: string; path?: string; host?: string; headers: string[] }): HttpRule {
  return {
    ...(wire.method === undefined ? {} : { method: wire.method }),
    ...(wire.path === undefined ? {} : { path: wire.path }),
    ...(wire.host === undefined ? {} : { host: wire.host }),
    ...(wire.headers.length === 0 ? {} : { headers: wire.headers }),
  };
}
