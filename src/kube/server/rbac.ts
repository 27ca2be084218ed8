import { type Fields, fieldsOf, type KubeObject, listOf } from "../object.ts";
import { selects } from "../schema/index.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "./context.ts";

const RBAC = "rbac.authorization.k8s.io";
const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** What somebody wants to do: with a resource, or with a path that names none. */
export type Attributes =
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      /** "" for the object itself. */
      readonly subresource: string;
      /** "" at the cluster scope, and in all namespaces. */
      readonly namespace: string;
      readonly name: string;
      readonly path?: undefined;
    }
  | { readonly verb: string; readonly path: string };

/** One rule of a role, as the API writes it. */
export type RoleRule = Fields;

/** A rule with the binding by which it holds for somebody. */
interface Grant {
  readonly rule: RoleRule;
  readonly reason: string;
}

const texts = (value: unknown): readonly string[] => listOf(value).map(String);
const has = (value: unknown, wanted: string): boolean => texts(value).some((one) => one === "*" || one === wanted);

function coversPath(value: unknown, path: string): boolean {
  return texts(value).some((one) => one === path || (one.endsWith("*") && path.startsWith(one.slice(0, -1))));
}

function coversResource(value: unknown, resource: string, subresource: string): boolean {
  const whole = subresource === "" ? resource : `${resource}/${subresource}`;
  return texts(value).some((one) => one === "*" || one === whole || (subresource !== "" && one === `*/${subresource}`));
}

/** True when the rule allows it. */
export function covers(rule: RoleRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (attributes.path !== undefined) return coversPath(rule.nonResourceURLs, attributes.path);
  const names = texts(rule.resourceNames);
  return (
    has(rule.apiGroups, attributes.group) &&
    coversResource(rule.resources, attributes.resource, attributes.subresource) &&
    (names.length === 0 || (attributes.name !== "" && names.includes(attributes.name)))
  );
}

/** How reasons call a subject: a service account with its namespace. */
function subjectText({ kind, name, namespace }: Fields): string {
  return `${kind} "${kind === "ServiceAccount" ? `${name}/${namespace}` : name}"`;
}

function isSubject(subject: Fields, user: User, bindingNamespace: string): boolean {
  const name = String(subject.name);
  if (subject.kind === "User") return subject.apiGroup === RBAC && name === user.name;
  if (subject.kind === "Group") return subject.apiGroup === RBAC && user.groups.includes(name);
  const account = ACCOUNT.exec(user.name);
  const namespace = String(subject.namespace ?? bindingNamespace);
  return subject.kind === "ServiceAccount" && account?.[1] === namespace && account[2] === name;
}

/** Judges users by the roles that are bound to them, as they are stored now. */
export class Rbac {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Why the user may do this; undefined = they may not. */
  reasonFor(user: User, attributes: Attributes): string | undefined {
    const namespace = attributes.path === undefined ? attributes.namespace : "";
    for (const { rule, reason } of this.grantsOf(user, namespace)) if (covers(rule, attributes)) return reason;
    return undefined;
  }

  /** The rules that hold for a user in a namespace; "" = at the cluster scope alone. */
  *grantsOf(user: User, namespace: string): Generator<Grant> {
    yield* this.bound("ClusterRoleBinding", `${RBAC}/clusterrolebindings`, undefined, user);
    if (namespace !== "") yield* this.bound("RoleBinding", `${RBAC}/rolebindings`, namespace, user);
  }

  /** The rules of what a binding refers to; those of an aggregated role are those of all that its labels select. */
  rulesOf(roleRef: unknown, namespace: string): readonly RoleRule[] {
    const { kind, name } = fieldsOf(roleRef);
    const [resource, where] = kind === "Role" ? ["roles", namespace] : ["clusterroles", ""];
    const role = this.store.get(`${RBAC}/${resource}`, where, String(name))?.object;
    if (role === undefined) return [];
    const selectors = listOf(fieldsOf(role.aggregationRule).clusterRoleSelectors);
    const parts = selectors.length === 0 ? [] : this.store.list(`${RBAC}/clusterroles`).map(({ object }) => object);
    const selected = parts.filter(
      (part) => part !== role && selectors.some((selector) => selects(selector, part.metadata.labels ?? {})),
    );
    return [role, ...selected].flatMap(({ rules }) => listOf(rules).map(fieldsOf));
  }

  private *bound(kind: string, resource: string, namespace: string | undefined, user: User): Generator<Grant> {
    for (const { object: binding } of this.store.list(resource, namespace)) {
      const where = binding.metadata.namespace ?? "";
      const subject = listOf(binding.subjects)
        .map(fieldsOf)
        .find((candidate) => isSubject(candidate, user, where));
      if (subject === undefined) continue;
      const role = fieldsOf(binding.roleRef);
      const name = where === "" ? binding.metadata.name : `${binding.metadata.name}/${where}`;
      const reason = `RBAC: allowed by ${kind} "${name}" of ${role.kind} "${role.name}" to ${subjectText(subject)}`;
      for (const rule of this.rulesOf(binding.roleRef, where)) yield { rule, reason };
    }
  }
}

/** All that a rule allows, one by one, wildcards as they stand. */
function* wishesOf(rule: RoleRule, namespace: string): Generator<Attributes> {
  for (const verb of texts(rule.verbs)) {
    for (const path of texts(rule.nonResourceURLs)) yield { verb, path };
    for (const group of texts(rule.apiGroups)) {
      for (const whole of texts(rule.resources)) {
        const [resource = "", subresource = ""] = whole.split("/");
        const names = texts(rule.resourceNames);
        for (const name of names.length === 0 ? [""] : names)
          yield { verb, group, resource, subresource, namespace, name };
      }
    }
  }
}

function wishText(wish: Attributes): string {
  if (wish.path !== undefined) return `{NonResourceURLs:["${wish.path}"], Verbs:["${wish.verb}"]}`;
  const resource = wish.subresource === "" ? wish.resource : `${wish.resource}/${wish.subresource}`;
  return `{APIGroups:["${wish.group}"], Resources:["${resource}"], Verbs:["${wish.verb}"]}`;
}

/** What of the rules the user does not have: nobody gives away more than they hold. */
export function excess(rbac: Rbac, user: User, rules: readonly RoleRule[], namespace: string): string[] {
  const own = [...rbac.grantsOf(user, namespace)].map(({ rule }) => rule);
  const missing: string[] = [];
  for (const rule of rules) {
    for (const wish of wishesOf(rule, namespace))
      if (!own.some((held) => covers(held, wish))) missing.push(wishText(wish));
  }
  return missing;
}

/** True for the kinds that say what others may do. */
export function isRbacObject({ apiVersion }: KubeObject): boolean {
  return apiVersion.startsWith(`${RBAC}/`);
}
