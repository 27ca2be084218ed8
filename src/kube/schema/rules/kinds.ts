import { cidrContains, parseCidr } from "../../../model/cidr.ts";
import { type Fields, fieldsOf, type GroupVersionKind, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { forbiddenValue, invalid, requiredValue, unsupported } from "../field-error.ts";
import { isCidr, isIP, NO_ADDRESS } from "../format.ts";
import { cronJobErrors, jobErrors, jobUpdateErrors } from "./batch.ts";
import { validateDefinition } from "./definition.ts";
import { sliceErrors } from "./endpoint-slice.ts";
import { immutableErrors, metadataErrors, metadataUpdateErrors, type NameRule, selectorErrors } from "./metadata.ts";
import {
  dns1035Problems,
  dnsLabelProblems,
  pathSegmentProblems,
  portNameProblems,
  portNumberErrors,
  problems,
} from "./names.ts";
import { podSpecErrors, podUpdateErrors } from "./pod.ts";
import { podStatusErrors } from "./pod-status.ts";
import { serviceErrors } from "./service.ts";
import { familyUpdateErrors } from "./service-families.ts";
import {
  negativeErrors,
  statefulSetErrors,
  statefulSetUpdateErrors,
  workloadErrors,
  workloadUpdateErrors,
} from "./workload.ts";

/** What one kind adds to the rules of all objects. */
interface KindRules {
  readonly name?: NameRule;
  readonly create?: (object: KubeObject, old?: KubeObject) => FieldError[];
  readonly update?: (next: KubeObject, old: KubeObject) => FieldError[];
}

const specOf = (object: KubeObject): Fields => fieldsOf(object.spec);

function dataErrors(object: KubeObject): FieldError[] {
  const keys = ["data", "binaryData", "stringData"].flatMap((field) =>
    Object.keys(fieldsOf(object[field])).map((key) => ({ field: `${field}[${key}]`, key })),
  );
  return keys.flatMap(({ field, key }) => {
    const good = key.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(key) && key !== "." && !key.startsWith("..");
    const why =
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    return good ? [] : [invalid(field, key, why)];
  });
}

function immutableDataErrors(next: KubeObject, old: KubeObject): FieldError[] {
  if (old.immutable !== true) return [];
  const frozen = ["immutable", "data", "binaryData"].filter(
    (name) => immutableErrors(name, next[name], old[name]).length > 0,
  );
  return frozen.map((field) => ({
    field,
    reason: "FieldValueForbidden",
    message: "Forbidden: field is immutable when `immutable` is set",
  }));
}

function endpointsErrors(object: KubeObject): FieldError[] {
  return listOf(object.subsets).map(fieldsOf).flatMap(subsetErrors);
}

function subsetErrors(subset: Fields, index: number): FieldError[] {
  const path = `subsets[${index}]`;
  const lists = ["addresses", "notReadyAddresses"].filter((list) => listOf(subset[list]).length > 0);
  const errors = lists.length > 0 ? [] : [requiredValue(path, "must specify `addresses` or `notReadyAddresses`")];
  for (const list of lists)
    for (const [place, address] of listOf(subset[list]).map(fieldsOf).entries())
      if (!isIP(String(address.ip)))
        // two of Kubernetes' rules say it
        for (const why of [NO_ADDRESS, "must be a valid IP address"])
          errors.push(invalid(`${path}.${list}[${place}].ip`, address.ip ?? "", why));
  const ports = listOf(subset.ports).map(fieldsOf);
  for (const [place, port] of ports.entries()) {
    if (ports.length > 1 && !port.name) errors.push(requiredValue(`${path}.ports[${place}].name`));
    errors.push(...portNumberErrors(`${path}.ports[${place}].port`, port.port));
  }
  return errors;
}

function bindingErrors(object: KubeObject): FieldError[] {
  const reference = fieldsOf(object.roleRef);
  return [
    ...(["ClusterRole", "Role"].includes(String(reference.kind))
      ? []
      : [unsupported("roleRef.kind", reference.kind ?? "", ["Role", "ClusterRole"])]),
    ...(reference.name ? [] : [requiredValue("roleRef.name")]),
    ...(reference.apiGroup === RBAC ? [] : [unsupported("roleRef.apiGroup", reference.apiGroup ?? "", [RBAC])]),
    ...listOf(object.subjects)
      .map(fieldsOf)
      .flatMap((subject, index) =>
        subjectErrors(`subjects[${index}]`, subject, object.metadata.namespace !== undefined),
      ),
  ];
}

const RBAC = "rbac.authorization.k8s.io";

function subjectErrors(path: string, { kind, name, namespace, apiGroup }: Fields, isNamespaced: boolean): FieldError[] {
  const errors = name ? [] : [requiredValue(`${path}.name`)];
  if (kind === "ServiceAccount") {
    if (apiGroup) errors.push(unsupported(`${path}.apiGroup`, apiGroup, [""]));
    if (!namespace && !isNamespaced) errors.push(requiredValue(`${path}.namespace`));
  } else if (kind === "User" || kind === "Group") {
    if (apiGroup !== RBAC) errors.push(unsupported(`${path}.apiGroup`, apiGroup ?? "", [RBAC]));
  } else errors.push(unsupported(`${path}.kind`, kind ?? "", ["ServiceAccount", "User", "Group"]));
  return errors;
}

function eventErrors(object: KubeObject): FieldError[] {
  const { namespace } = fieldsOf(object.involvedObject ?? object.regarding);
  const field = object.involvedObject ? "involvedObject.namespace" : "regarding.namespace";
  const own = object.metadata.namespace;
  if (namespace === own || (!namespace && own === "default")) return [];
  return [invalid(field, namespace ?? "", "does not match event.namespace")];
}

function bindingUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  const { apiGroup, kind, name } = fieldsOf(next.roleRef);
  const value = { APIGroup: apiGroup ?? "", Kind: kind ?? "", Name: name ?? "" };
  return immutableErrors("roleRef", next.roleRef, old.roleRef).map(() =>
    invalid("roleRef", value, "cannot change roleRef"),
  );
}

function roleErrors(object: KubeObject): FieldError[] {
  return listOf(object.rules)
    .map(fieldsOf)
    .flatMap((rule, index) => {
      const path = `rules[${index}]`;
      const missing: FieldError[] = [];
      if (listOf(rule.verbs).length === 0)
        missing.push(requiredValue(`${path}.verbs`, "verbs must contain at least one value"));
      if (listOf(rule.nonResourceURLs).length > 0) return missing;
      if (listOf(rule.apiGroups).length === 0) {
        missing.push(requiredValue(`${path}.apiGroups`, "resource rules must supply at least one api group"));
      }
      if (listOf(rule.resources).length === 0) {
        missing.push(requiredValue(`${path}.resources`, "resource rules must supply at least one resource"));
      }
      return missing;
    });
}

/** In the order in which Kubernetes lists them for policies. */
const POLICY_PROTOCOLS = ["TCP", "UDP", "SCTP"];
const NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

function blockErrors(path: string, { cidr, except }: Fields): FieldError[] {
  if (!cidr) return [requiredValue(`${path}.cidr`)];
  if (!isCidr(String(cidr))) return [invalid(`${path}.cidr`, cidr, NO_CIDR)];
  const block = parseCidr(String(cidr));
  return listOf(except).flatMap((item, index) => {
    if (!isCidr(String(item))) return [invalid(`${path}.except[${index}]`, item, NO_CIDR)];
    const inner = parseCidr(String(item));
    if (block && inner && inner.length > block.length && cidrContains(block, inner)) return [];
    return [invalid(`${path}.except[${index}]`, item, "must be a strict subset of `cidr`")];
  });
}

function policyPortErrors(spec: Fields, rules: "ingress" | "egress"): FieldError[] {
  return listOf(spec[rules]).flatMap((rule, index) =>
    listOf(fieldsOf(rule).ports).flatMap((port, place) =>
      portRangeErrors(`spec.${rules}[${index}].ports[${place}]`, fieldsOf(port)),
    ),
  );
}

function portRangeErrors(path: string, { protocol, port, endPort }: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (protocol && !POLICY_PROTOCOLS.includes(String(protocol)))
    errors.push(unsupported(`${path}.protocol`, protocol, POLICY_PROTOCOLS));
  if (typeof port === "number") errors.push(...portNumberErrors(`${path}.port`, port));
  else if (port) errors.push(...problems(`${path}.port`, port, portNameProblems(String(port))));
  if (typeof endPort !== "number") return errors;
  if (port === undefined)
    errors.push(invalid(`${path}.endPort`, endPort, "must not be specified when `port` is not specified"));
  else if (typeof port !== "number")
    errors.push(invalid(`${path}.endPort`, endPort, "may not be specified when `port` is non-numeric"));
  else if (endPort < port) errors.push(invalid(`${path}.endPort`, port, "must be greater than or equal to `port`"));
  else errors.push(...portNumberErrors(`${path}.endPort`, endPort));
  return errors;
}

function peerErrors(spec: Fields, rules: "ingress" | "egress", peers: "from" | "to"): FieldError[] {
  return listOf(spec[rules]).flatMap((rule, index) =>
    listOf(fieldsOf(rule)[peers]).flatMap((peer, place) => {
      const path = `spec.${rules}[${index}].${peers}[${place}]`;
      const { podSelector, namespaceSelector, ipBlock } = fieldsOf(peer);
      if (!podSelector && !namespaceSelector && !ipBlock) return [requiredValue(path, "must specify a peer")];
      if (ipBlock && (podSelector || namespaceSelector))
        return [forbiddenValue(path, "may not specify both ipBlock and another peer")];
      return [
        ...(podSelector ? selectorErrors(`${path}.podSelector`, podSelector) : []),
        ...(namespaceSelector ? selectorErrors(`${path}.namespaceSelector`, namespaceSelector) : []),
        ...(ipBlock ? blockErrors(`${path}.ipBlock`, fieldsOf(ipBlock)) : []),
      ];
    }),
  );
}

function networkPolicyErrors(object: KubeObject): FieldError[] {
  const spec = specOf(object);
  const types = listOf(spec.policyTypes);
  return [
    ...selectorErrors("spec.podSelector", spec.podSelector),
    ...peerErrors(spec, "ingress", "from"),
    ...peerErrors(spec, "egress", "to"),
    ...policyPortErrors(spec, "ingress"),
    ...policyPortErrors(spec, "egress"),
    ...types.flatMap((type, index) =>
      type === "Ingress" || type === "Egress"
        ? []
        : [unsupported(`spec.policyTypes[${index}]`, type, ["Ingress", "Egress"])],
    ),
  ];
}

function leaseErrors(object: KubeObject): FieldError[] {
  const { leaseDurationSeconds: seconds, leaseTransitions } = specOf(object);
  return [
    ...(typeof seconds === "number" && seconds <= 0
      ? [invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
      : []),
    ...negativeErrors("spec.leaseTransitions", leaseTransitions),
  ];
}

const workload: KindRules = { create: workloadErrors, update: workloadUpdateErrors };
const data: KindRules = { create: dataErrors, update: immutableDataErrors };
const role: KindRules = { name: pathSegmentProblems, create: roleErrors };
const roleBinding: KindRules = { name: pathSegmentProblems, create: bindingErrors, update: bindingUpdateErrors };

const rules: Readonly<Record<string, KindRules>> = {
  "/Pod": {
    create: (object) => [...podSpecErrors("spec", specOf(object)), ...podStatusErrors(fieldsOf(object.status))],
    update: (next, old) => podUpdateErrors(specOf(next), specOf(old)),
  },
  "/Namespace": { name: dnsLabelProblems },
  "/Service": { name: dns1035Problems, create: serviceErrors, update: familyUpdateErrors },
  "/Endpoints": { create: endpointsErrors },
  "/ConfigMap": data,
  "/Secret": {
    ...data,
    update: (next, old) => [...immutableErrors("type", next.type, old.type), ...immutableDataErrors(next, old)],
  },
  "/Event": { create: eventErrors },
  "coordination.k8s.io/Lease": { create: leaseErrors },
  "apps/Deployment": workload,
  "apps/ReplicaSet": workload,
  "apps/DaemonSet": workload,
  "apps/StatefulSet": { create: statefulSetErrors, update: statefulSetUpdateErrors },
  "apps/ControllerRevision": { update: (next, old) => immutableErrors("data", next.data, old.data) },
  "batch/Job": { create: jobErrors, update: jobUpdateErrors },
  "batch/CronJob": { create: cronJobErrors },
  "discovery.k8s.io/EndpointSlice": {
    create: sliceErrors,
    update: (next, old) => immutableErrors("addressType", next.addressType, old.addressType),
  },
  "rbac.authorization.k8s.io/Role": role,
  "rbac.authorization.k8s.io/ClusterRole": role,
  "rbac.authorization.k8s.io/RoleBinding": roleBinding,
  "rbac.authorization.k8s.io/ClusterRoleBinding": roleBinding,
  "networking.k8s.io/NetworkPolicy": { create: networkPolicyErrors },
  "apiextensions.k8s.io/CustomResourceDefinition": { create: validateDefinition },
};

/** Kinds that are asked, not stored: they have no name. */
const NAMELESS = new Set(["authentication.k8s.io", "authorization.k8s.io"]);

const rulesOf = (kind: GroupVersionKind): KindRules => rules[`${kind.group}/${kind.kind}`] ?? {};

/** What breaks the rules of a built-in kind; types are right by then. */
export function checkKind(kind: GroupVersionKind, object: KubeObject, old?: KubeObject): FieldError[] {
  if (NAMELESS.has(kind.group) || kind.kind === "Scale") return [];
  const { name, create } = rulesOf(kind);
  return [...metadataErrors(object, name), ...(create?.(object, old) ?? [])];
}

/** What an update of a built-in kind changes though it must not. */
export function checkKindUpdate(kind: GroupVersionKind, next: KubeObject, old: KubeObject): FieldError[] {
  return [...metadataUpdateErrors(next, old), ...(rulesOf(kind).update?.(next, old) ?? [])];
}
