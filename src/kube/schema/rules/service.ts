import { type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { duplicate, requiredValue, unsupported } from "../field-error.ts";
import { PROTOCOLS } from "./container.ts";
import { labelErrors } from "./metadata.ts";
import { dnsLabelProblems, dnsSubdomainProblems, portNameProblems, portNumberErrors, problems } from "./names.ts";
import { familyErrors } from "./service-families.ts";
import { trafficErrors } from "./service-traffic.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

const objects = (value: unknown): Fields[] => listOf(value).map(fieldsOf);

function targetPortErrors(path: string, target: unknown): FieldError[] {
  if (target === undefined || target === null || target === 0) return [];
  return typeof target === "string" ? problems(path, target, portNameProblems(target)) : portNumberErrors(path, target);
}

function portErrors(path: string, port: Fields, several: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (!port.name && several) errors.push(requiredValue(`${path}.name`));
  else if (port.name) errors.push(...problems(`${path}.name`, port.name, dnsLabelProblems(String(port.name))));
  errors.push(...portNumberErrors(`${path}.port`, port.port ?? 0));
  if (port.protocol !== undefined && !PROTOCOLS.includes(String(port.protocol))) {
    errors.push(unsupported(`${path}.protocol`, port.protocol, PROTOCOLS));
  }
  return [...errors, ...targetPortErrors(`${path}.targetPort`, port.targetPort)];
}

function duplicateErrors(ports: readonly Fields[]): FieldError[] {
  const names = new Set<unknown>();
  const numbers = new Set<string>();
  return ports.flatMap(({ name, port, protocol = "TCP" }, index) => {
    const errors: FieldError[] = [];
    const number = `${protocol}/${port}`;
    if (name && names.has(name)) errors.push(duplicate(`spec.ports[${index}].name`, name));
    if (numbers.has(number)) {
      const shown = { Name: "", Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
      errors.push(duplicate(`spec.ports[${index}]`, shown));
    }
    names.add(name);
    numbers.add(number);
    return errors;
  });
}

/** Rules for a service; its cluster addresses are checked against the service ranges by the allocator. */
export function serviceErrors(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const ports = objects(spec.ports);
  const errors: FieldError[] = [];
  const type = spec.type ?? "ClusterIP";
  if (!TYPES.includes(String(type))) errors.push(unsupported("spec.type", type, TYPES));
  if (type === "ExternalName") {
    if (!spec.externalName) errors.push(requiredValue("spec.externalName"));
    else
      errors.push(...problems("spec.externalName", spec.externalName, dnsSubdomainProblems(String(spec.externalName))));
  } else if (ports.length === 0 && spec.clusterIP !== "None") errors.push(requiredValue("spec.ports"));
  errors.push(...ports.flatMap((port, index) => portErrors(`spec.ports[${index}]`, port, ports.length > 1)));
  errors.push(...duplicateErrors(ports));
  errors.push(...labelErrors("spec.selector", spec.selector));
  return [...errors, ...familyErrors(spec), ...trafficErrors(spec)];
}
