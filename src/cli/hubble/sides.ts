import { create, equals, type MessageShape } from "@bufbuild/protobuf";
import { type FlowFilter, FlowFilterSchema } from "../../../proto/gen/flow_pb.js";
import { UsageError } from "../cobra/flags.ts";

type Filter = MessageShape<typeof FlowFilterSchema>;

/** The namespaces that were asked for, by the side they restrict; an empty name is every namespace. */
interface Namespaces {
  readonly either: string[];
  readonly from: string[];
  readonly to: string[];
}

/**
 * One list of filters while it is built. A flag that means either end writes the source's field of the left filter and the
 * destination's field of the right one; every other flag writes both, so that each alone says all that was asked.
 */
export class FilterSides {
  private readonly left: Filter = create(FlowFilterSchema);
  private readonly right: Filter = create(FlowFilterSchema);
  private readonly namespaces: Namespaces = { either: [], from: [], to: [] };
  private used = false;

  both(write: (filter: Filter) => void): void {
    this.used = true;
    write(this.left);
    write(this.right);
  }

  eitherEnd(source: (filter: Filter) => void, destination: (filter: Filter) => void): void {
    this.used = true;
    source(this.left);
    destination(this.right);
  }

  namespace(side: keyof Namespaces, name: string): void {
    this.used = true;
    this.namespaces[side].push(name);
  }

  /** No filter, one, or two when the ends differ. Throws UsageError when a namespace contradicts a pod. */
  finish(): FlowFilter[] {
    if (!this.used) return [];
    const { either, from, to } = this.namespaces;
    restrict(this.left, "source", either);
    restrict(this.right, "destination", either);
    for (const filter of [this.left, this.right]) {
      restrict(filter, "source", from);
      restrict(filter, "destination", to);
    }
    return equals(FlowFilterSchema, this.left, this.right) ? [this.left] : [this.left, this.right];
  }
}

/** Puts namespaces before the pods and services of one end, or asks for any pod in them. */
function restrict(filter: Filter, end: "source" | "destination", namespaces: readonly string[]): void {
  if (namespaces.length === 0) return;
  const pods = end === "source" ? filter.sourcePod : filter.destinationPod;
  const services = end === "source" ? filter.sourceService : filter.destinationService;
  if (pods.length === 0 && services.length === 0) {
    pods.push(...namespaces.map((namespace) => `${namespace}/`));
    return;
  }
  for (const names of [pods, services])
    names.splice(0, names.length, ...names.flatMap((name) => qualify(name, namespaces)));
}

function qualify(name: string, namespaces: readonly string[]): string[] {
  const slash = name.indexOf("/");
  if (slash < 0) return namespaces.map((namespace) => `${namespace}/${name}`);
  if (namespaces.includes(name.slice(0, slash)) || namespaces.includes("")) return [name];
  throw new UsageError(
    `namespace conflict: ${JSON.stringify(namespaces.join(", "))} does not contain ${JSON.stringify(name)}`,
  );
}
