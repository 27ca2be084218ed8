import { type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { duplicate, forbiddenValue, invalid, notFoundValue, requiredValue, unsupported } from "../field-error.ts";
import { dnsLabelProblems, portNameProblems, portNumberErrors, problems } from "./names.ts";
import { quantity } from "./quantity.ts";

export const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
/** What of its own pod a variable may hold. */
const ENVIRONMENT_FIELDS =
  /^(metadata\.(name|namespace|uid|(labels|annotations)\['.+'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$/;

const objects = (value: unknown): Fields[] => listOf(value).map(fieldsOf);

function portErrors(path: string, ports: readonly Fields[]): FieldError[] {
  const names = new Set<unknown>();
  return ports.flatMap((port, index) => {
    const place = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (port.name) {
      errors.push(...problems(`${place}.name`, port.name, portNameProblems(String(port.name))));
      if (names.has(port.name)) errors.push(duplicate(`${place}.name`, port.name));
      names.add(port.name);
    }
    if (!port.containerPort) errors.push(requiredValue(`${place}.containerPort`));
    else errors.push(...portNumberErrors(`${place}.containerPort`, port.containerPort));
    if (port.hostPort) errors.push(...portNumberErrors(`${place}.hostPort`, port.hostPort));
    if (port.protocol !== undefined && !PROTOCOLS.includes(String(port.protocol))) {
      errors.push(unsupported(`${place}.protocol`, port.protocol, PROTOCOLS));
    }
    return errors;
  });
}

function environmentErrors(path: string, variables: readonly Fields[]): FieldError[] {
  return variables.flatMap((variable, index) => {
    const place = `${path}[${index}]`;
    const errors: FieldError[] = [];
    const name = String(variable.name ?? "");
    if (name === "") errors.push(requiredValue(`${place}.name`));
    else if (name.includes("=") || !/^[\x20-\x7e]*$/.test(name)) {
      errors.push(
        invalid(
          `${place}.name`,
          name,
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
      );
    }
    if (variable.value && variable.valueFrom) {
      errors.push(invalid(`${place}.valueFrom`, "", "may not be specified when `value` is not empty"));
    }
    const { fieldPath } = fieldsOf(fieldsOf(variable.valueFrom).fieldRef);
    if (fieldPath && !ENVIRONMENT_FIELDS.test(String(fieldPath))) {
      const why = `error converting fieldPath: field label not supported: ${fieldPath}`;
      errors.push(invalid(`${place}.valueFrom.fieldRef.fieldPath`, fieldPath, why));
    }
    return errors;
  });
}

function mountErrors(path: string, mounts: readonly Fields[], volumes: ReadonlySet<string>): FieldError[] {
  const paths = new Set<unknown>();
  return mounts.flatMap((mount, index) => {
    const place = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(requiredValue(`${place}.name`));
    else if (!volumes.has(String(mount.name))) errors.push(notFoundValue(`${place}.name`, mount.name));
    if (!mount.mountPath) errors.push(requiredValue(`${place}.mountPath`));
    if (paths.has(mount.mountPath)) errors.push(invalid(`${place}.mountPath`, mount.mountPath, "must be unique"));
    paths.add(mount.mountPath);
    // Kubernetes says no index here
    if (mount.subPath) errors.push(...subPathErrors(`${path}.subPath`, String(mount.subPath)));
    return errors;
  });
}

function subPathErrors(path: string, subPath: string): FieldError[] {
  if (subPath.startsWith("/")) return [invalid(path, subPath, "must be a relative path")];
  return subPath.split("/").includes("..") ? [invalid(path, subPath, "must not contain '..'")] : [];
}

function targetErrors(path: string, port: unknown): FieldError[] {
  if (port === undefined || port === null) return [requiredValue(path)];
  return typeof port === "string" ? problems(path, port, portNameProblems(port)) : portNumberErrors(path, port);
}

function handlerErrors(path: string, handler: Fields): FieldError[] {
  const given = HANDLERS.filter((name) => handler[name] !== undefined && handler[name] !== null);
  if (given.length === 0) return [requiredValue(path, "must specify a handler type")];
  const more = given
    .slice(1)
    .map((name) => forbiddenValue(`${path}.${name}`, "may not specify more than 1 handler type"));
  const name = given[0]!;
  const fields = fieldsOf(handler[name]);
  if (name === "exec" && listOf(fields.command).length === 0) more.push(requiredValue(`${path}.exec.command`));
  if (name === "httpGet" || name === "tcpSocket") more.push(...targetErrors(`${path}.${name}.port`, fields.port));
  return more;
}

/** A probe that ends a container when it fails has succeeded with its first success. */
function probeErrors(path: string, probe: unknown, endsIt: boolean): FieldError[] {
  if (probe === undefined || probe === null) return [];
  const fields = fieldsOf(probe);
  const negative = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    .filter((name) => typeof fields[name] === "number" && (fields[name] as number) < 0)
    .map((name) => invalid(`${path}.${name}`, fields[name], "must be greater than or equal to 0"));
  const { successThreshold } = fields;
  const threshold =
    endsIt && typeof successThreshold === "number" && successThreshold > 1
      ? [invalid(`${path}.successThreshold`, successThreshold, "must be 1")]
      : [];
  return [...handlerErrors(path, fields), ...negative, ...threshold];
}

function lifecycleErrors(path: string, lifecycle: Fields): FieldError[] {
  return ["postStart", "preStop"].flatMap((name) =>
    lifecycle[name] ? handlerErrors(`${path}.${name}`, fieldsOf(lifecycle[name])) : [],
  );
}

/** Amounts are not below nothing, and what is asked for is not above the limit. */
function resourceErrors(path: string, resources: Fields): FieldError[] {
  const limits = fieldsOf(resources.limits);
  const negative = ["limits", "requests"].flatMap((list) =>
    Object.entries(fieldsOf(resources[list]))
      .filter(([, value]) => quantity(String(value))! < 0)
      .map(([name, value]) => invalid(`${path}.${list}[${name}]`, value, "must be greater than or equal to 0")),
  );
  const above = Object.entries(fieldsOf(resources.requests))
    .filter(([name, value]) => name in limits && quantity(String(value))! > quantity(String(limits[name]))!)
    .map(([name, value]) =>
      invalid(`${path}.requests`, value, `must be less than or equal to ${name} limit of ${limits[name]}`),
    );
  return [...negative, ...above];
}

/** Templates may have what their pods will be refused for. */
const isTemplate = (path: string): boolean => path.includes("template.");

/** Rules for one container; `volumes` are the names that its mounts may use. */
export function containerErrors(path: string, container: Fields, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const { name, image, imagePullPolicy } = container;
  if (!name) errors.push(requiredValue(`${path}.name`));
  else errors.push(...problems(`${path}.name`, name, dnsLabelProblems(String(name))));
  if (!image) errors.push(requiredValue(`${path}.image`));
  else if (image !== String(image).trim() && !isTemplate(path))
    errors.push(invalid(`${path}.image`, image, "must not have leading or trailing whitespace"));
  const policies = ["Always", "IfNotPresent", "Never"];
  if (imagePullPolicy && !policies.includes(String(imagePullPolicy))) {
    errors.push(unsupported(`${path}.imagePullPolicy`, imagePullPolicy, policies));
  }
  return [
    ...errors,
    ...portErrors(`${path}.ports`, objects(container.ports)),
    ...environmentErrors(`${path}.env`, objects(container.env)),
    ...mountErrors(`${path}.volumeMounts`, objects(container.volumeMounts), volumes),
    ...["livenessProbe", "readinessProbe", "startupProbe"].flatMap((probe) =>
      probeErrors(`${path}.${probe}`, container[probe], probe !== "readinessProbe"),
    ),
    ...lifecycleErrors(`${path}.lifecycle`, fieldsOf(container.lifecycle)),
    ...resourceErrors(`${path}.resources`, fieldsOf(container.resources)),
  ];
}
