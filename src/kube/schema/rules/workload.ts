import { equalJson, type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { forbiddenValue, invalid, requiredValue, unsupported } from "../field-error.ts";
import { immutableErrors, labelErrors, selectorErrors, selects } from "./metadata.ts";
import { dnsSubdomainProblems, problems } from "./names.ts";
import { podSpecErrors } from "./pod.ts";

function isEmptySelector(selector: Fields): boolean {
  return Object.keys(fieldsOf(selector.matchLabels)).length === 0 && !Array.isArray(selector.matchExpressions);
}

/** For a number that must not be below zero. */
export function negativeErrors(path: string, value: unknown): FieldError[] {
  return typeof value === "number" && value < 0 ? [invalid(path, value, "must be greater than or equal to 0")] : [];
}

/** A template's metadata and spec; `restart` is the one policy that the owner allows. */
export function templateErrors(path: string, template: Fields, restart: readonly string[]): FieldError[] {
  const spec = fieldsOf(template.spec);
  const policy = spec.restartPolicy;
  return [
    ...labelErrors(`${path}.metadata.labels`, fieldsOf(template.metadata).labels),
    ...podSpecErrors(`${path}.spec`, spec),
    ...restartErrors(`${path}.spec.restartPolicy`, policy, restart),
  ];
}

/** The default, which no job may have, counts as none given. */
function restartErrors(path: string, policy: unknown, allowed: readonly string[]): FieldError[] {
  if (policy === undefined || allowed.includes(String(policy))) return [];
  const values = allowed.map((value) => JSON.stringify(value)).join(", ");
  return policy === "Always" ? [requiredValue(path, `valid values: ${values}`)] : [unsupported(path, policy, allowed)];
}

function fractionErrors(path: string, value: unknown): FieldError[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "number") return negativeErrors(path, value);
  const text = String(value);
  if (!/^\d+%$/.test(text)) {
    const why =
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    return [invalid(path, value, why)];
  }
  return [];
}

function rolloutErrors(path: string, strategy: Fields, isDaemonSet: boolean): FieldError[] {
  const { type } = strategy;
  const rolling = fieldsOf(strategy.rollingUpdate);
  const errors = ["maxUnavailable", "maxSurge"].flatMap((name) =>
    fractionErrors(`${path}.rollingUpdate.${name}`, rolling[name]),
  );
  const isZero = (value: unknown) => value === 0 || value === "0%";
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge)) {
    const place = `${path}.rollingUpdate.maxUnavailable`;
    errors.push(
      isDaemonSet
        ? requiredValue(place, "cannot be 0 when maxSurge is 0")
        : invalid(place, rolling.maxUnavailable, "may not be 0 when `maxSurge` is 0"),
    );
  }
  if (type === "Recreate" && strategy.rollingUpdate) {
    const message = "Forbidden: may not be specified when strategy `type` is 'Recreate'";
    errors.push({ field: `${path}.rollingUpdate`, reason: "FieldValueForbidden", message });
  }
  return errors;
}

const STRATEGIES: Readonly<Record<string, { field: string; allowed: readonly string[] }>> = {
  Deployment: { field: "strategy", allowed: ["Recreate", "RollingUpdate"] },
  DaemonSet: { field: "updateStrategy", allowed: ["RollingUpdate", "OnDelete"] },
  StatefulSet: { field: "updateStrategy", allowed: ["RollingUpdate", "OnDelete"] },
};

/** The template with a volume for each one that a stateful set claims: its containers mount them. */
function templateWithClaims({ template, volumeClaimTemplates }: Fields): Fields {
  const claims = listOf(volumeClaimTemplates).map((claim) => ({
    name: fieldsOf(fieldsOf(claim).metadata).name,
    emptyDir: {},
  }));
  if (claims.length === 0) return fieldsOf(template);
  const { spec, ...rest } = fieldsOf(template);
  const others = listOf(fieldsOf(spec).volumes).filter(
    (volume) => !claims.some(({ name }) => name === fieldsOf(volume).name),
  );
  return { ...rest, spec: { ...fieldsOf(spec), volumes: [...others, ...claims] } };
}

/** Rules for the selector of a kind of workload, which must select what the template's labels are. */
function ownSelectorErrors(kind: string, selector: unknown, labels: unknown): FieldError[] {
  if (selector && isEmptySelector(fieldsOf(selector)))
    return [invalid("spec.selector", selector, `empty selector is invalid for ${kind.toLowerCase()}`)];
  const wrong = selectorErrors("spec.selector", selector);
  if (wrong.length > 0) return [...wrong, invalid("spec.selector", selector, "invalid label selector")];
  const errors = selector ? [] : [requiredValue("spec.selector")];
  if (selects(selector, labels)) return errors;
  const why = "`selector` does not match template `labels`";
  return [...errors, invalid("spec.template.metadata.labels", labels ?? null, why)];
}

/** Rules for what runs pods from a template by a selector: Deployment, ReplicaSet, DaemonSet, StatefulSet. */
export function workloadErrors(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const template = templateWithClaims(spec);
  const labels = fieldsOf(template.metadata).labels;
  const errors = ["replicas", "minReadySeconds", "revisionHistoryLimit"].flatMap((name) =>
    negativeErrors(`spec.${name}`, spec[name]),
  );
  errors.push(...ownSelectorErrors(object.kind, spec.selector, labels));
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
  if (typeof deadline === "number" && deadline <= Number(minReadySeconds))
    errors.push(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
  errors.push(...templateErrors("spec.template", template, ["Always"]));
  const strategy = STRATEGIES[object.kind];
  const given = strategy && fieldsOf(spec[strategy.field]);
  if (strategy && given) {
    if (given.type && !strategy.allowed.includes(String(given.type))) {
      const isWhole = object.kind === "Deployment" && !given.rollingUpdate;
      const shown = isWhole ? { Type: given.type, RollingUpdate: null } : given.type;
      errors.push(unsupported(`spec.${strategy.field}${isWhole ? "" : ".type"}`, shown, strategy.allowed));
    }
    errors.push(...rolloutErrors(`spec.${strategy.field}`, given, object.kind === "DaemonSet"));
  }
  return errors;
}

const POD_MANAGEMENT = ["OrderedReady", "Parallel"];
/** Of a stateful set's spec, all that may change. */
const CHANGEABLE = [
  ...["replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"],
  ...["persistentVolumeClaimRetentionPolicy", "minReadySeconds"],
];

/** Rules for a StatefulSet beyond those of all workloads. */
export function statefulSetErrors(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const { podManagementPolicy: management } = spec;
  const rolling = fieldsOf(fieldsOf(spec.updateStrategy).rollingUpdate);
  return [
    ...workloadErrors(object),
    ...(spec.serviceName
      ? problems("spec.serviceName", spec.serviceName, dnsSubdomainProblems(String(spec.serviceName)))
      : []),
    ...(management === undefined || POD_MANAGEMENT.includes(String(management))
      ? []
      : [invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'")]),
    ...negativeErrors("spec.updateStrategy.rollingUpdate.partition", rolling.partition),
    ...(rolling.maxUnavailable === undefined
      ? []
      : [forbiddenValue("spec.updateStrategy.rollingUpdate.maxUnavailable", "pods are replaced one at a time here")]),
    ...negativeErrors("spec.ordinals.start", fieldsOf(spec.ordinals).start),
  ];
}

/** What its pods are known by stands still. */
export function statefulSetUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  const fixed = (object: KubeObject) =>
    Object.fromEntries(Object.entries(fieldsOf(object.spec)).filter(([name]) => !CHANGEABLE.includes(name)));
  if (equalJson(fixed(next), fixed(old))) return [];
  const names =
    "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'";
  return [forbiddenValue("spec", `updates to statefulset spec for fields other than ${names} are forbidden`)];
}

/** The selector stands still: the pods of the old one would be lost. */
export function workloadUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  return immutableErrors("spec.selector", fieldsOf(next.spec).selector, fieldsOf(old.spec).selector);
}
