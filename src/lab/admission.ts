import type { FieldError } from "../kube/status.ts";
import { hostProcessOf, type Pod, refusalsOf, remarksOn, remarkText } from "../kubelet/index.ts";
import { policyAdvice, policyErrors } from "./policy-admission.ts";

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** Where an object of a kind describes a pod. */
const POD_PLACES: Readonly<Record<string, string>> = {
  Pod: "",
  Deployment: "spec.template.",
  ReplicaSet: "spec.template.",
  DaemonSet: "spec.template.",
  StatefulSet: "spec.template.",
  Job: "spec.template.",
  CronJob: "spec.jobTemplate.spec.template.",
};

/** The pod that the object is or describes, and the path to it; undefined when there is none that the kubelet would run. */
function podIn(object: Fields): { readonly pod: Pod; readonly prefix: string } | undefined {
  const prefix = POD_PLACES[String(object["kind"])];
  if (prefix === undefined) return undefined;
  const found = prefix
    .split(".")
    .slice(0, -1)
    .reduce((value, name) => fields(value[name]), object);
  if (!Array.isArray(fields(found["spec"])["containers"])) return undefined;
  const pod = { metadata: {}, ...found } as unknown as Pod;
  return hostProcessOf(pod) === undefined ? { pod, prefix } : undefined;
}

/**
 * What the parts behind the API server could not honour, refused where the user sees it at once. They refuse it
 * themselves too: another API server does not ask here.
 */
export function admissionErrors(object: { readonly kind?: unknown } & Fields): FieldError[] {
  const described = podIn(object);
  if (described === undefined) return policyErrors(object);
  return refusalsOf(described.pod).map(({ field, mend }) => ({
    field: `${described.prefix}${field}`,
    reason: "FieldValueNotSupported",
    message: `Unsupported value: Shieldgate does not do this: ${mend}`,
  }));
}

/** What of a service nothing here acts on; what else it says is done. */
function serviceAdvice(service: Fields): string[] {
  const { type, externalIPs } = fields(service["spec"]);
  const advice: string[] = [];
  if (type === "LoadBalancer")
    advice.push("spec.type: there is no load balancer here: no external address comes; its node ports lead to it");
  if (Array.isArray(externalIPs) && externalIPs.length > 0)
    advice.push("spec.externalIPs: nothing here answers for them; its cluster address and node ports lead to it");
  return advice;
}

/** What is accepted of an object and has no effect here, or not the one that its writer is likely to want; each with its field. */
export function admissionAdvice(object: { readonly kind?: unknown } & Fields): string[] {
  if (object.kind === "Service") return serviceAdvice(object);
  const described = podIn(object);
  if (described === undefined) return policyAdvice(object);
  return remarksOn(described.pod).map((remark) => `${described.prefix}${remarkText(remark)}`);
}
