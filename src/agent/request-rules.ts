import type { RequestRules } from "../flow/context.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { Protocol } from "../model/protocol.ts";
import { ComputedPolicy } from "../policy/computed-policy.ts";
import { judgeL7, judgingRules, type L7Facts } from "../policy/judge-l7.ts";
import { type LookupQuery, lookup } from "../policy/lookup.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";

const SCHEME = "http://";

function factsOf({ dns, tls, url, method, headers }: AccessRecord): L7Facts {
  if (dns !== undefined) return { dns: dns.query };
  if (tls !== undefined) return { sni: tls.serverName ?? "" };
  const authority = url.startsWith(SCHEME) ? url.slice(SCHEME.length) : url;
  const slash = authority.indexOf("/");
  const [host, path] = slash === -1 ? [authority, "/"] : [authority.slice(0, slash), authority.slice(slash)];
  return { http: { method, path, host, headers } };
}

/**
 * The rules behind what the proxy said of a request, by the policy in force: those that allowed or denied it, and where no rule
 * had a word on it, those that were asked. Rules for the same peers and port are one. Undefined = nothing that the policy says explains the record: it is a
 * response or a failure, the request was refused for its form, or the policy has changed since.
 */
export function requestRules(record: AccessRecord, policy: EndpointPolicy | undefined): RequestRules | undefined {
  if (!(policy instanceof ComputedPolicy) || record.type !== "request" || record.verdict === "error") return undefined;
  const query: LookupQuery = {
    direction: record.direction,
    identity: record.direction === "ingress" ? record.sourceIdentity : record.destinationIdentity,
    protocol: record.dns?.transport === "udp" ? Protocol.Udp : Protocol.Tcp,
    port: record.destinationPort,
  };
  if (lookup(policy, query).verdict !== "redirect") return undefined;
  const { verdict, origins } = judgeL7(policy, query, factsOf(record));
  const isDenied = record.verdict === "denied";
  if (isDenied && verdict !== "deny") return undefined;
  // a header that is compared with a secret is not known here: then it is all rules of the port that allowed it
  const isKnown = verdict === (isDenied ? "deny" : "allow") && origins.length > 0;
  const rules = isKnown ? origins : judgingRules(policy, query);
  return { origins: rules, revision: policy.revision, matched: isKnown || !isDenied };
}
