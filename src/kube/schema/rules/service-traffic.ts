import { type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { forbiddenValue, invalid, unsupported } from "../field-error.ts";

const POLICIES = ["Cluster", "Local"];
const MAX_AFFINITY_SECONDS = 86_400;

function oneOf(spec: Fields, name: string, allowed: readonly string[]): FieldError[] {
  const value = spec[name];
  return value === undefined || allowed.includes(String(value)) ? [] : [unsupported(`spec.${name}`, value, allowed)];
}

function affinityErrors(spec: Fields): FieldError[] {
  const seconds = fieldsOf(fieldsOf(spec.sessionAffinityConfig).clientIP).timeoutSeconds;
  const isGood = seconds === undefined || (Number(seconds) > 0 && Number(seconds) <= MAX_AFFINITY_SECONDS);
  const why = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
  return [
    ...oneOf(spec, "sessionAffinity", ["ClientIP", "None"]),
    ...(isGood ? [] : [invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, why)]),
  ];
}

/** What only services that are reached from outside the cluster may have. */
function outsideErrors(spec: Fields): FieldError[] {
  const { type } = spec;
  if (type === "NodePort" || type === "LoadBalancer") {
    const isHeadless = spec.clusterIP === "None";
    return [
      ...oneOf(spec, "externalTrafficPolicy", POLICIES),
      ...(isHeadless ? [invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`)] : []),
    ];
  }
  const set = listOf(spec.ports).flatMap((port, index) => (fieldsOf(port).nodePort ? [index] : []));
  const policy = spec.externalTrafficPolicy;
  const isOutside = type === "ClusterIP" && listOf(spec.externalIPs).length > 0;
  return [
    ...set.map((index) =>
      forbiddenValue(`spec.ports[${index}].nodePort`, `may not be used when \`type\` is '${type}'`),
    ),
    ...(policy && !isOutside
      ? [invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")]
      : []),
  ];
}

/** Rules for how a service spreads its traffic, and to whom it is open. */
export function trafficErrors(spec: Fields): FieldError[] {
  const ranges = spec.loadBalancerSourceRanges;
  const hasRanges = listOf(ranges).length > 0 && spec.type !== "LoadBalancer";
  return [
    ...affinityErrors(spec),
    ...oneOf(spec, "internalTrafficPolicy", POLICIES),
    ...outsideErrors(spec),
    ...(hasRanges
      ? [forbiddenValue("spec.loadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'")]
      : []),
  ];
}
