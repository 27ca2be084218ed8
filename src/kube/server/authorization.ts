import { forbidden, KubeError } from "../status.ts";
import type { User } from "./context.ts";
import type { ResourceRequest } from "./request-info.ts";

const OPEN_PATHS = /^\/(healthz|livez|readyz|version)(\/|$)/;
/** What every known user may read: clients need it before their first real request. */
const DISCOVERY_PATHS = /^\/(api|apis|openapi)(\/|$)/;
const SELF_REVIEWS = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];

/** True for the users who may do everything: administrators, nodes, control plane parts, kube-system's accounts. */
export function isPowerful(user: User): boolean {
  return (
    user.name.startsWith("system:kube-") ||
    user.groups.some((group) =>
      ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"].includes(group),
    )
  );
}

/** True when the user may read the path, which names no resource. */
export function mayReadPath(user: User, path: string): boolean {
  if (OPEN_PATHS.test(path) || isPowerful(user)) return true;
  return user.groups.includes("system:authenticated") && (path === "/" || DISCOVERY_PATHS.test(path));
}

/** True when the user may do this. RBAC objects are stored but do not take part. */
export function mayAccess(user: User, resource: string): boolean {
  return isPowerful(user) || (user.groups.includes("system:authenticated") && SELF_REVIEWS.includes(resource));
}

/** Throws 403 in Kubernetes' words. */
export function authorizePath(user: User, verb: string, path: string): void {
  if (mayReadPath(user, path)) return;
  throw new KubeError(403, "Forbidden", `forbidden: User "${user.name}" cannot ${verb} path "${path}"`, {});
}

/** Throws 403 in Kubernetes' words. */
export function authorizeResource(user: User, verb: string, request: ResourceRequest): void {
  if (mayAccess(user, request.resource)) return;
  const { group, namespace, name, subresource } = request;
  const resource = subresource === "" ? request.resource : `${request.resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  throw forbidden({ group, resource: request.resource, kind: "" }, name, why);
}
