import { fieldsOf } from "../kube/object.ts";
import { fieldRefValue, type PodFacts } from "./field-ref.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { Container, EnvFrom, EnvVar, Pod } from "./pod.ts";

const REFERENCE = /\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g;

/** Expands `$(NAME)`; `$$` is one `$`, and an unknown name stays as it is written. Rule: Kubernetes' container fields. */
export function expandReferences(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(REFERENCE, (whole, name: string | undefined) => {
    if (name === undefined) return "$";
    return values.get(name) ?? whole;
  });
}

async function variablesFrom(source: EnvFrom, reader: ObjectReader, namespace: string): Promise<[string, string][]> {
  const reference = source.configMapRef ?? source.secretRef;
  if (reference === undefined) return [];
  const kind = source.configMapRef ? "configMap" : "secret";
  const data = await reader.data(kind, namespace, reference.name, reference.optional ?? false);
  return Object.entries(data).map(([key, value]) => [`${source.prefix ?? ""}${key}`, value.toString()]);
}

async function variableValue(
  variable: EnvVar,
  pod: Pod,
  facts: PodFacts,
  reader: ObjectReader,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (from?.fieldRef) return fieldRefValue(pod, facts, from.fieldRef.fieldPath);
  const reference = from?.configMapKeyRef ?? from?.secretKeyRef;
  if (reference === undefined) return undefined;
  const kind = from?.configMapKeyRef ? "configMap" : "secret";
  const namespace = pod.metadata.namespace ?? "default";
  const data = await reader.data(kind, namespace, reference.name, reference.optional ?? false);
  const value = data[reference.key];
  if (value === undefined && reference.optional !== true) {
    throw new Error(`couldn't find key ${reference.key} in ${kind} ${namespace}/${reference.name}`);
  }
  return value?.toString();
}

/** Where the API server is, as every pod is told. */
export function apiServerVariables(address: string, port: number): Map<string, string> {
  return new Map([
    ["KUBERNETES_SERVICE_HOST", address],
    ["KUBERNETES_SERVICE_PORT", String(port)],
    ["KUBERNETES_SERVICE_PORT_HTTPS", String(port)],
    ["KUBERNETES_PORT", `tcp://${address}:${port}`],
  ]);
}

/** A container's environment, in the order in which later names override earlier ones. Rejects when a source is missing. */
export async function environmentOf(
  container: Container,
  pod: Pod,
  facts: PodFacts,
  reader: ObjectReader,
  base: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const values = new Map(base);
  for (const source of container.envFrom ?? []) {
    for (const [name, value] of await variablesFrom(source, reader, fieldsOf(pod.metadata)["namespace"] as string)) {
      values.set(name, value);
    }
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? await variableValue(variable, pod, facts, reader)
      : expandReferences(variable.value ?? "", values);
    if (value !== undefined) values.set(variable.name, value);
  }
  return values;
}
