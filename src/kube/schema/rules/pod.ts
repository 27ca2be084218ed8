import { equalJson, type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { duplicate, forbiddenValue, invalid, notFoundValue, requiredValue, unsupported } from "../field-error.ts";
import { childPath } from "../node.ts";
import { containerErrors } from "./container.ts";
import { labelErrors } from "./metadata.ts";
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  problems,
  qualifiedNameProblems,
} from "./names.ts";

const OPERATORS = ["Equal", "Exists"];
const NOT_EPHEMERAL = [
  ...["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"],
  ...["resources", "resizePolicy", "restartPolicy"],
];
const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

const objects = (value: unknown): Fields[] => listOf(value).map(fieldsOf);

function oneOf(path: string, value: unknown, allowed: readonly string[]): FieldError[] {
  return value === undefined || allowed.includes(String(value)) ? [] : [unsupported(path, value, allowed)];
}

/** An ephemeral container looks at what is there: it serves nothing, and nothing is promised of it. */
function ephemeralErrors(path: string, container: Fields, targets: readonly unknown[]): FieldError[] {
  const why = "cannot be set for an Ephemeral Container";
  const isGiven = (value: unknown) => (Array.isArray(value) ? value.length > 0 : !equalJson(value ?? {}, {}));
  const target = container.targetContainerName;
  return [
    ...NOT_EPHEMERAL.filter((name) => isGiven(container[name])).map((name) => forbiddenValue(`${path}.${name}`, why)),
    ...objects(container.volumeMounts).flatMap((mount, index) =>
      ["subPath", "subPathExpr"]
        .filter((name) => mount[name])
        .map((name) => forbiddenValue(`${path}.volumeMounts[${index}].${name}`, why)),
    ),
    ...(target && !targets.includes(target) ? [notFoundValue(`${path}.targetContainerName`, target)] : []),
  ];
}

/** Names of containers of all lists must differ; every container has its own rules. */
function allContainerErrors(path: string, spec: Fields, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<unknown>();
  for (const list of ["containers", "initContainers"]) {
    for (const [index, container] of objects(spec[list]).entries()) {
      const place = `${childPath(path, list)}[${index}]`;
      errors.push(...containerErrors(place, container, volumes));
      if (container.name && names.has(container.name)) errors.push(duplicate(`${place}.name`, container.name));
      names.add(container.name);
    }
  }
  const targets = objects(spec.containers).map(({ name }) => name);
  for (const [index, container] of objects(spec.ephemeralContainers).entries()) {
    const place = `${childPath(path, "ephemeralContainers")}[${index}]`;
    errors.push(...containerErrors(place, container, volumes), ...ephemeralErrors(place, container, targets));
    if (container.name && names.has(container.name)) errors.push(duplicate(`${place}.name`, container.name));
    names.add(container.name);
  }
  if (listOf(spec.containers).length === 0) errors.push(requiredValue(childPath(path, "containers")));
  return errors;
}

/** Volumes that show another object name it. */
const NAMED_SOURCES = [
  { source: "configMap", field: "name" },
  { source: "secret", field: "secretName" },
];

/** What is wrong with volumes; `good` gets the names of those that mounts may use. */
function volumeErrors(path: string, volumes: readonly Fields[], good: Set<string>): FieldError[] {
  const names = new Set<unknown>();
  return volumes.flatMap((volume, index) => {
    const place = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (!volume.name) errors.push(requiredValue(`${place}.name`));
    else errors.push(...problems(`${place}.name`, volume.name, dnsLabelProblems(String(volume.name))));
    if (volume.name && names.has(volume.name)) errors.push(duplicate(`${place}.name`, volume.name));
    names.add(volume.name);
    const sources = Object.keys(volume).filter((key) => key !== "name" && volume[key] !== null);
    if (sources.length > 1)
      errors.push(forbiddenValue(`${place}.${sources[1]}`, "may not specify more than 1 volume type"));
    for (const { source, field } of NAMED_SOURCES)
      if (volume[source] && !fieldsOf(volume[source])[field]) errors.push(requiredValue(`${place}.${source}.${field}`));
    if (errors.length === 0) good.add(String(volume.name));
    return errors;
  });
}

function tolerationErrors(path: string, { key, operator, value, effect, tolerationSeconds }: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (key) errors.push(...problems(`${path}.key`, key, qualifiedNameProblems(String(key))));
  else if (operator !== "Exists") {
    errors.push(
      invalid(
        `${path}.operator`,
        operator ?? "",
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  }
  if (operator) errors.push(...oneOf(`${path}.operator`, operator, OPERATORS));
  if (operator === "Exists" && value) {
    errors.push(invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"));
  } else if (value) errors.push(...problems(`${path}.operator`, value, labelValueProblems(String(value))));
  if (effect) errors.push(...oneOf(`${path}.effect`, effect, EFFECTS));
  if (tolerationSeconds !== undefined && tolerationSeconds !== null && effect !== "NoExecute") {
    errors.push(invalid(`${path}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  }
  return errors;
}

function hostPortErrors(path: string, spec: Fields): FieldError[] {
  if (spec.hostNetwork !== true) return [];
  return objects(spec.containers).flatMap((container, index) =>
    objects(container.ports).flatMap(({ hostPort, containerPort }, position) =>
      hostPort === undefined || hostPort === 0 || hostPort === containerPort
        ? []
        : [
            invalid(
              `${path}.containers[${index}].ports[${position}].hostPort`,
              hostPort,
              "must match `containerPort` when `hostNetwork` is true",
            ),
          ],
    ),
  );
}

/** Rules for a pod's spec, in pods and in the templates of workloads. */
export function podSpecErrors(path: string, spec: Fields): FieldError[] {
  const volumes = objects(spec.volumes);
  const names = new Set<string>();
  const errors = [
    ...volumeErrors(childPath(path, "volumes"), volumes, names),
    ...allContainerErrors(path, spec, names),
    ...oneOf(`${path}.restartPolicy`, spec.restartPolicy, ["Always", "OnFailure", "Never"]),
    ...oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ...labelErrors(`${path}.nodeSelector`, spec.nodeSelector),
    ...objects(spec.tolerations).flatMap((item, index) => tolerationErrors(`${path}.tolerations[${index}]`, item)),
    ...hostPortErrors(path, spec),
  ];
  for (const name of ["nodeName", "serviceAccountName"]) {
    const value = spec[name];
    if (value) errors.push(...problems(`${path}.${name}`, value, dnsSubdomainProblems(String(value))));
  }
  for (const name of ["hostname", "subdomain"]) {
    const value = spec[name];
    if (value) errors.push(...problems(`${path}.${name}`, value, dnsLabelProblems(String(value))));
  }
  return [...errors, ...dnsErrors(path, spec)];
}

/** Who asks no server of the cluster's names its own. */
function dnsErrors(path: string, { dnsPolicy, dnsConfig }: Fields): FieldError[] {
  if (dnsPolicy !== "None") return [];
  if (!dnsConfig) return [requiredValue(`${path}.dnsConfig`, "must provide `dnsConfig` when `dnsPolicy` is None")];
  if (listOf(fieldsOf(dnsConfig).nameservers).length > 0) return [];
  const why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
  return [requiredValue(`${path}.dnsConfig.nameservers`, why)];
}

const IMAGE_LISTS = ["containers", "initContainers"];

/** The spec with what an update may change taken from the old one. */
function withOldMutables(next: Fields, old: Fields): Fields {
  const same: Fields = { ...next };
  for (const list of IMAGE_LISTS) {
    const before = objects(old[list]);
    if (next[list] === undefined || before.length !== listOf(next[list]).length) continue;
    same[list] = objects(next[list]).map((container, index) => ({ ...container, image: before[index]!.image }));
  }
  for (const name of ["activeDeadlineSeconds", "tolerations", "schedulingGates", "terminationGracePeriodSeconds"]) {
    if (old[name] === undefined) delete same[name];
    else same[name] = old[name];
  }
  return same;
}

/** A pod's spec stands still, but for images, added tolerations and deadlines. */
export function podUpdateErrors(next: Fields, old: Fields): FieldError[] {
  const errors: FieldError[] = [];
  const kept = objects(old.tolerations).every((toleration) =>
    objects(next.tolerations).some((candidate) => equalJson(candidate, toleration)),
  );
  if (!kept) {
    errors.push(
      forbiddenValue("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"),
    );
  }
  if (!equalJson(withOldMutables(next, old), old)) {
    errors.push(
      forbiddenValue(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
      ),
    );
  }
  return errors;
}
