import type { FieldError } from "../kube/status.ts";
import { hostProcessOf, type Pod, refusalsOf } from "../kubelet/index.ts";
import { policyErrors } from "./policy-admission.ts";

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function unsupported(field: string, value: unknown, mend: string): FieldError {
  const message = `Unsupported value: ${JSON.stringify(value)}: Shieldgate does not do this: ${mend}`;
  return { field, reason: "FieldValueNotSupported", message };
}

/** What of a service nothing here would act on. */
function serviceErrors(service: Fields): FieldError[] {
  const spec = fields(service["spec"]);
  const errors: FieldError[] = [];
  const { type = "ClusterIP", externalIPs } = spec;
  if (type === "LoadBalancer")
    errors.push(
      unsupported("spec.type", type, "there is no load balancer that would give it an address; use NodePort"),
    );
  if (type === "ExternalName")
    errors.push(
      unsupported("spec.type", type, "names outside the cluster are not resolved; use ClusterIP with an EndpointSlice"),
    );
  if (Array.isArray(externalIPs) && externalIPs.length > 0) {
    errors.push(unsupported("spec.externalIPs", externalIPs, "remove it"));
  }
  return errors;
}

/** What of a pod's spec the kubelet would refuse; `prefix` is where the pod or the template stands. */
function podErrors(pod: Fields, prefix: string): FieldError[] {
  const spec = fields(pod["spec"]);
  if (!Array.isArray(spec["containers"])) return [];
  const template = { metadata: {}, ...pod } as unknown as Pod;
  if (hostProcessOf(template) !== undefined) return [];
  return refusalsOf(template).map(({ field, mend }) => ({
    field: `${prefix}${field}`,
    reason: "FieldValueNotSupported",
    message: `Unsupported value: Shieldgate does not do this: ${mend}`,
  }));
}

const WITH_TEMPLATE = new Set(["Deployment", "ReplicaSet", "DaemonSet"]);

/**
 * What the parts behind the API server could not honour, refused where the user sees it at once. They refuse it
 * themselves too: another API server does not ask here.
 */
export function admissionErrors(object: { readonly kind?: unknown } & Fields): FieldError[] {
  if (object.kind === "Service") return serviceErrors(object);
  if (object.kind === "Pod") return podErrors(object, "");
  if (WITH_TEMPLATE.has(String(object.kind))) {
    return podErrors(fields(fields(object["spec"])["template"]), "spec.template.");
  }
  return policyErrors(object);
}
