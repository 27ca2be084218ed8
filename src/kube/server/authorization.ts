import { fieldsOf, type KubeObject, listOf } from "../object.ts";
import { forbidden, KubeError } from "../status.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "./context.ts";
import { type Attributes, excess, isRbacObject, Rbac } from "./rbac.ts";
import type { ResourceRequest } from "./request-info.ts";

const POWERFUL =
  "the lab's rule: administrators, nodes, control plane parts and kube-system's accounts may do everything";
const RBAC_GROUP = "rbac.authorization.k8s.io";

/** True for the users who may do everything: administrators, nodes, control plane parts, kube-system's accounts. */
export function isPowerful(user: User): boolean {
  return (
    user.name.startsWith("system:kube-") ||
    user.groups.some((group) =>
      ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"].includes(group),
    )
  );
}

/** Why the user may do this; undefined = they may not. */
export function reasonToAllow(store: Store, user: User, attributes: Attributes): string | undefined {
  return isPowerful(user) ? POWERFUL : new Rbac(store).reasonFor(user, attributes);
}

/** Throws 403 in Kubernetes' words. */
export function authorizePath(store: Store, user: User, verb: string, path: string): void {
  if (reasonToAllow(store, user, { verb, path }) !== undefined) return;
  throw new KubeError(403, "Forbidden", `forbidden: User "${user.name}" cannot ${verb} path "${path}"`, {});
}

/** Throws 403 in Kubernetes' words. */
export function authorizeResource(store: Store, user: User, verb: string, request: ResourceRequest): void {
  if (reasonToAllow(store, user, { verb, ...request }) !== undefined) return;
  const { group, namespace, name, subresource } = request;
  const resource = subresource === "" ? request.resource : `${request.resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  throw forbidden({ group, resource: request.resource, kind: "" }, name, why);
}

/**
 * Nobody gives away rights that they do not have: who writes a role needs all that it allows or the verb `escalate`, who binds one
 * all that it allows or the verb `bind`. Throws 403.
 */
export function checkEscalation(store: Store, user: User, resource: string, object: KubeObject): void {
  if (!isRbacObject(object) || isPowerful(user)) return;
  const rbac = new Rbac(store);
  const { name, namespace = "" } = object.metadata;
  const may = (verb: string, kind: string, of: string) =>
    rbac.reasonFor(user, { verb, group: RBAC_GROUP, resource: kind, subresource: "", namespace, name: of }) !==
    undefined;
  const reference = fieldsOf(object.roleRef);
  const isBinding = object.kind.endsWith("Binding");
  const excused = isBinding
    ? may("bind", reference.kind === "Role" ? "roles" : "clusterroles", String(reference.name))
    : may("escalate", resource, name);
  if (excused) return;
  const rules = isBinding ? rbac.rulesOf(object.roleRef, namespace) : listOf(object.rules).map(fieldsOf);
  const missing = excess(rbac, user, rules, namespace);
  if (missing.length === 0) return;
  const groups = JSON.stringify(user.groups);
  const why = `user "${user.name}" (groups=${groups}) is attempting to grant RBAC permissions not currently held:\n${missing.join("\n")}`;
  throw forbidden({ group: RBAC_GROUP, resource, kind: object.kind }, name, why);
}
