import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { quoteGo } from "../../flow/print/index.ts";
import { UsageError } from "../cobra/flags.ts";

/** The namespaces that were asked for, by the side they restrict; an empty name is every namespace. */
export interface Namespaces {
  readonly either: string[];
  readonly from: string[];
  readonly to: string[];
}

type End = "source" | "destination";

function namesOf(filter: FlowFilter, end: End): { readonly pods: string[]; readonly services: string[] } {
  return end === "source"
    ? { pods: filter.sourcePod, services: filter.sourceService }
    : { pods: filter.destinationPod, services: filter.destinationService };
}

function qualify(names: string[], namespaces: readonly string[]): void {
  const qualified = names.flatMap((name) =>
    name.includes("/") ? [name] : namespaces.map((namespace) => `${namespace}/${name}`),
  );
  names.splice(0, names.length, ...qualified);
}

/** Puts namespaces before the pods and services of one end, or asks for any pod in them. */
export function restrict(filter: FlowFilter, end: End, namespaces: readonly string[]): void {
  if (namespaces.length === 0) return;
  const { pods, services } = namesOf(filter, end);
  if (pods.length === 0 && services.length === 0) pods.push("");
  qualify(pods, namespaces);
  qualify(services, namespaces);
}

/** What stands before the slash; empty without one. */
function namespaceOf(name: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? "" : name.slice(0, slash);
}

function* conflicts(namespaces: readonly string[], names: readonly string[]): Generator<string> {
  for (const namespace of namespaces) {
    for (const name of names) {
      const own = namespaceOf(name);
      if (own === "" || own === namespace) continue;
      yield `namespace conflict: ${quoteGo(namespace)} does not contain ${quoteGo(name)}`;
      return;
    }
  }
}

function* crossed({ pods, services }: ReturnType<typeof namesOf>): Generator<string> {
  for (const namespace of pods.map(namespaceOf)) {
    const other = namespace === "" ? undefined : services.find((service) => namespaceOf(service) !== namespace);
    if (other === undefined) continue;
    yield `namespace of service ${quoteGo(other)} conflict with pod ${quoteGo(namespace)}`;
    return;
  }
}

/** Throws UsageError when namespaces, pods and services of one filter contradict each other. */
export function checkNamespaces(filter: FlowFilter, { either, from, to }: Namespaces): void {
  const source = namesOf(filter, "source");
  const destination = namesOf(filter, "destination");
  const sides = [source.pods, source.services, destination.pods, destination.services];
  const found = [
    ...sides.flatMap((names) => [...conflicts(either, names)]),
    ...[source.pods, source.services].flatMap((names) => [...conflicts(from, names)]),
    ...[destination.pods, destination.services].flatMap((names) => [...conflicts(to, names)]),
    ...crossed(source),
    ...crossed(destination),
  ];
  if (found.length > 0) throw new UsageError(found.join("\n"));
}
