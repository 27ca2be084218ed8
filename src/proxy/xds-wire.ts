import { create } from "@bufbuild/protobuf";
import {
  type HttpNetworkPolicyRule,
  NetworkPolicySchema,
  type PortNetworkPolicy,
  type PortNetworkPolicyRule,
  Direction as WireDirection,
  MismatchAction as WireMismatch,
  type NetworkPolicy as WirePolicy,
} from "../../proto/gen/proxy_pb.js";
import type { DnsRule, HeaderMatch, HttpRule, MismatchAction } from "../policy/l7-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";
import { latin1, latin1Bytes } from "../wire/latin1.ts";
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
    secrets: [...policy.secrets].map(([name, value]) => ({ name, value: latin1Bytes(value) })),
  });
}

function ruleToWire(rule: L7PeerRules) {
  return {
    deny: rule.deny,
    precedence: rule.precedence,
    origin: rule.origin,
    ...(rule.identities === undefined ? {} : { remotePolicies: { identities: [...rule.identities] } }),
    ...(rule.http === undefined ? {} : { httpRules: { httpRules: rule.http.map(httpToWire) } }),
    ...(rule.serverNames === undefined ? {} : { serverNames: { names: [...rule.serverNames] } }),
    ...(rule.dns === undefined ? {} : { dnsRules: { dnsRules: rule.dns.map((dns) => ({ ...dns })) } }),
    ...(rule.passTo === undefined ? {} : { passTo: rule.passTo }),
  };
}

const MISMATCHES = {
  LOG: WireMismatch.LOG,
  ADD: WireMismatch.ADD,
  DELETE: WireMismatch.DELETE,
  REPLACE: WireMismatch.REPLACE,
} as const;

function httpToWire({ method, path, host, headers = [], headerMatches = [] }: HttpRule) {
  return {
    ...(method === undefined ? {} : { method }),
    ...(path === undefined ? {} : { path }),
    ...(host === undefined ? {} : { host }),
    headers: [...headers],
    headerMatches: headerMatches.map(({ name, value = "", secret = "", mismatch }) => ({
      name,
      value,
      secret,
      mismatch: mismatch === undefined ? WireMismatch.FAIL : MISMATCHES[mismatch],
    })),
  };
}

/** Reads a policy; throws naming what this proxy does not know, because guessing would open or shut a pod. */
export function fromWire(wire: WirePolicy): { policy: NetworkPolicy; ports: ReadonlyMap<string, number> } {
  return {
    policy: {
      endpointId: wire.endpointId,
      endpointIp: wire.endpointIp,
      revision: wire.revision,
      redirects: wire.redirects.map(redirectFromWire),
      secrets: new Map(wire.secrets.map(({ name, value }) => [name, latin1(value, 0, value.length)])),
    },
    ports: new Map(wire.redirects.map((redirect) => [redirect.key, redirect.proxyPort])),
  };
}

function redirectFromWire(wire: PortNetworkPolicy): L7Redirect {
  const { parser } = wire;
  if (parser !== "http" && parser !== "tls" && parser !== "dns")
    throw new Error(`redirect ${wire.key}: parser "${parser}" is not served`);
  if (wire.direction !== WireDirection.INGRESS && wire.direction !== WireDirection.EGRESS) {
    throw new Error(`redirect ${wire.key}: direction ${wire.direction} is neither ingress nor egress`);
  }
  return {
    key: wire.key,
    direction: wire.direction === WireDirection.INGRESS ? "ingress" : "egress",
    protocol: wire.protocol,
    port: wire.port,
    parser,
    rules: wire.rules.map(ruleFromWire),
  };
}

function ruleFromWire(wire: PortNetworkPolicyRule): L7PeerRules {
  return {
    deny: wire.deny,
    precedence: wire.precedence,
    origin: wire.origin,
    ...(wire.remotePolicies === undefined ? {} : { identities: wire.remotePolicies.identities }),
    ...(wire.httpRules === undefined ? {} : { http: wire.httpRules.httpRules.map(httpFromWire) }),
    ...(wire.serverNames === undefined ? {} : { serverNames: wire.serverNames.names }),
    ...(wire.dnsRules === undefined ? {} : { dns: wire.dnsRules.dnsRules.map(dnsFromWire) }),
    ...(wire.passTo === undefined ? {} : { passTo: wire.passTo }),
  };
}

function dnsFromWire({ matchName, matchPattern }: { matchName: string; matchPattern: string }): DnsRule {
  return { ...(matchName === "" ? {} : { matchName }), ...(matchPattern === "" ? {} : { matchPattern }) };
}

function httpFromWire(wire: HttpNetworkPolicyRule): HttpRule {
  return {
    ...(wire.method === undefined ? {} : { method: wire.method }),
    ...(wire.path === undefined ? {} : { path: wire.path }),
    ...(wire.host === undefined ? {} : { host: wire.host }),
    ...(wire.headers.length === 0 ? {} : { headers: wire.headers }),
    ...(wire.headerMatches.length === 0 ? {} : { headerMatches: wire.headerMatches.map(matchFromWire) }),
  };
}

function matchFromWire({ name, value, secret, mismatch }: HttpNetworkPolicyRule["headerMatches"][number]): HeaderMatch {
  const action = Object.keys(MISMATCHES).find((each) => MISMATCHES[each as MismatchAction] === mismatch);
  if (action === undefined && mismatch !== WireMismatch.FAIL)
    throw new Error(`header match "${name}": action ${mismatch} is not known`);
  return {
    name,
    ...(value === "" ? {} : { value }),
    ...(secret === "" ? {} : { secret }),
    ...(action === undefined ? {} : { mismatch: action as MismatchAction }),
  };
}
