import {
  AuthType,
  DebugCapturePoint,
  type Flow,
  L7FlowType,
  type Policy,
  TrafficDirection,
  Verdict,
} from "../../../proto/gen/flow_pb.js";
import { ReservedIdentity } from "../../model/addresses.ts";
import { EventType } from "../decode/event.ts";
import { dropReasonText } from "../drop-reason.ts";
import type { Palette } from "./color.ts";

/** Names of the reserved identities as hubble prints and accepts them. */
export const RESERVED_NAMES: Readonly<Record<number, string>> = {
  [ReservedIdentity.Unknown]: "unknown",
  [ReservedIdentity.Host]: "host",
  [ReservedIdentity.World]: "world",
  [ReservedIdentity.Unmanaged]: "unmanaged",
  [ReservedIdentity.Health]: "health",
  [ReservedIdentity.Init]: "init",
  [ReservedIdentity.RemoteNode]: "remote-node",
  [ReservedIdentity.KubeApiServer]: "kube-apiserver",
  [ReservedIdentity.Ingress]: "ingress",
  9: "world-ipv4",
  10: "world-ipv6",
  11: "aggregate-cluster",
  12: "aggregate-cluster-mesh",
  13: "aggregate-world",
  14: "aggregate-remote-node",
};

/** `(world)` for a reserved identity, else `(ID:n)`. */
export function identityText(identity: number): string {
  const name = RESERVED_NAMES[identity];
  return name === undefined ? `(ID:${identity})` : `(${name})`;
}

/** Observation points of traces by sub-type. */
export const TRACE_POINT_NAMES: readonly string[] = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
];

export const MATCH_TYPE_NAMES: readonly string[] = [
  "none",
  "L3-Only",
  "L3-L4",
  "L4-Only",
  "all",
  "L3-Proto",
  "Proto-Only",
];

/** Name of an enum value; its number when it has none. */
export function enumName(values: Readonly<Record<number, string>>, value: number): string {
  return values[value] ?? String(value);
}

function layer7Type(flow: Flow): string {
  const record = flow.l7?.record.case;
  const protocol = record === "http" || record === "dns" ? record : "l7";
  const type = enumName(L7FlowType, flow.l7?.type ?? 0).toLowerCase();
  const dns = flow.l7?.record.case === "dns" ? ` ${flow.l7.record.value.observationSource}` : "";
  return `${protocol}-${type}${dns}`;
}

const SOCKET_POINTS: Readonly<Record<number, string>> = {
  1: "pre-xlate-fwd",
  2: "post-xlate-fwd",
  3: "pre-xlate-rev",
  4: "post-xlate-rev",
};

/** The type column: `http-request`, `to-endpoint`, `Policy denied`, `policy-verdict:L3-L4 INGRESS`, ... */
export function flowTypeText(flow: Flow): string {
  if (flow.l7) return layer7Type(flow);
  const subType = flow.eventType?.subType ?? 0;
  const code = subType & 0xff;
  switch (flow.eventType?.type) {
    case EventType.Trace:
      return TRACE_POINT_NAMES[code] ?? String(code);
    case EventType.Drop:
      return dropReasonText(code);
    case EventType.PolicyVerdict:
      return `policy-verdict:${MATCH_TYPE_NAMES[flow.policyMatchType] ?? "unknown"} ${enumName(TrafficDirection, flow.trafficDirection)}`;
    case EventType.Capture:
      return enumName(DebugCapturePoint, flow.debugCapturePoint);
    case 7:
      return SOCKET_POINTS[subType] ?? "SOCK_XLATE_POINT_UNKNOWN";
    default:
      return "UNKNOWN";
  }
}

/** The word of a verdict; policy verdicts say ALLOWED, DENIED or AUDITED. */
function verdictWord(flow: Flow): string {
  if (flow.eventType?.type === EventType.PolicyVerdict) {
    if (flow.verdict === Verdict.FORWARDED || flow.verdict === Verdict.REDIRECTED) return "ALLOWED";
    if (flow.verdict === Verdict.DROPPED || flow.verdict === Verdict.ERROR) return "DENIED";
    if (flow.verdict === Verdict.AUDIT) return "AUDITED";
  }
  return enumName(Verdict, flow.verdict);
}

function decidingPolicies(flow: Flow, word: string): readonly Policy[] {
  const denied = word === "DENIED" || word === "AUDITED";
  if (!denied && word !== "ALLOWED") return [];
  if (flow.trafficDirection === TrafficDirection.INGRESS) return denied ? flow.ingressDeniedBy : flow.ingressAllowedBy;
  if (flow.trafficDirection === TrafficDirection.EGRESS) return denied ? flow.egressDeniedBy : flow.egressAllowedBy;
  return [];
}

/** ` BY name (Kind), name2 (Kind2)`, or nothing when no policy object decided. */
function policyNamesText(policies: readonly Policy[]): string {
  const named = policies.filter((policy) => policy.name !== "" && policy.kind !== "");
  return named.length === 0 ? "" : ` BY ${named.map((policy) => `${policy.name} (${policy.kind})`).join(", ")}`;
}

/** The verdict column in its colour, perhaps with the policies that decided. */
export function verdictText(
  flow: Flow,
  { palette, policyNames }: { readonly palette: Palette; readonly policyNames: boolean },
): string {
  const word = verdictWord(flow);
  return palette.verdict(flow.verdict, policyNames ? word + policyNamesText(decidingPolicies(flow, word)) : word);
}

/** The text within the parentheses of a compact line. */
export function summaryText(flow: Flow, palette: Palette): string {
  const traceId = flow.ipTraceId?.traceId ?? 0n;
  const prefix = traceId === 0n ? "" : `IP Trace ID: ${traceId}; `;
  if (flow.authType === AuthType.DISABLED) return prefix + flow.Summary;
  return `${prefix}${flow.Summary}; Auth: ${palette.auth(flow.authType, enumName(AuthType, flow.authType))}`;
}
