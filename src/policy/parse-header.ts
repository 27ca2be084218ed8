import { type Field, isObject } from "./field.ts";
import type { PolicyKey } from "./rule.ts";

/** A kind of policy, and where its name and rules stand. */
export interface PolicyKind {
  readonly kind: string;
  readonly apiVersions: readonly string[];
  readonly isClusterwide: boolean;
  /** Fields beside apiVersion, kind and metadata. */
  readonly fields: readonly string[];
}

export interface PolicyHeader {
  readonly key: PolicyKey;
  /** Name for the labels of the rules: an annotation of Cilium's may replace the object's own. */
  readonly labelName: string;
  /** Of the object itself. */
  readonly labels: ReadonlyMap<string, string>;
}

const NAME_ANNOTATIONS = ["policy.cilium.io/name", "io.cilium.name"];

/**
 * Reads version, kind, name, namespace and uid, and refuses fields that no object of these kinds has. Undefined when the
 * kind is none of `kinds`.
 */
export function readHeader(
  object: unknown,
  at: Field,
  kinds: readonly PolicyKind[],
): (PolicyHeader & { readonly kind: PolicyKind }) | undefined {
  if (!isObject(object)) {
    at.refuse("must be an object", "write its fields below it", object);
    return undefined;
  }
  const kind = findKind(object["kind"], at.child("kind"), kinds);
  if (kind === undefined) return undefined;
  let metadata: Record<string, unknown> = {};
  const ignore = () => {};
  const readers: Parameters<Field["object"]>[1] = {
    apiVersion: (value, field) => {
      if (!kind.apiVersions.includes(value as string))
        field.refuse(`not a version of ${kind.kind}`, `use ${kind.apiVersions.join(" or ")}`, value);
    },
    kind: ignore,
    metadata: (value, field) => {
      if (!isObject(value)) return field.refuse("must be an object", "write its fields below it", value);
      metadata = value;
      if ((metadata["name"] ?? "") === "") field.child("name").refuse("is required", "name the object");
    },
    ...Object.fromEntries(kind.fields.map((name) => [name, ignore])),
  };
  at.object(object, readers, { required: ["metadata"] });
  return { kind, ...readMetadata(metadata, at.child("metadata"), kind) };
}

function readMetadata(metadata: Record<string, unknown>, field: Field, kind: PolicyKind): PolicyHeader {
  const key = readKey(metadata, field, kind);
  const [labels, annotations] = ["labels", "annotations"].map((name) => readMap(metadata[name], field.child(name)));
  return { key, labelName: annotatedName(annotations!) ?? key.name, labels: labels! };
}

function findKind(value: unknown, at: Field, kinds: readonly PolicyKind[]): PolicyKind | undefined {
  const found = kinds.find(({ kind }) => kind === value);
  const mend = `use one of: ${kinds.map(({ kind }) => kind).join(", ")}`;
  if (found === undefined) at.refuse((value ?? null) === null ? "is required" : "not a policy kind", mend, value);
  return found;
}

function readKey(metadata: Record<string, unknown>, at: Field, { kind, isClusterwide }: PolicyKind): PolicyKey {
  const text = (name: string) => {
    const value = metadata[name] ?? "";
    return value === "" ? "" : (at.child(name).text(value) ?? "");
  };
  const [name, namespace, uid] = [text("name"), text("namespace"), text("uid")];
  if (isClusterwide && namespace !== "")
    at.child("namespace").refuse(`a ${kind} has none`, "leave the namespace out", namespace);
  return { kind, namespace: isClusterwide ? "" : namespace || "default", name, uid };
}

function readMap(value: unknown, at: Field): ReadonlyMap<string, string> {
  return (value ?? null) === null ? new Map() : at.textMap(value);
}

function annotatedName(annotations: ReadonlyMap<string, string>): string | undefined {
  return NAME_ANNOTATIONS.map((name) => annotations.get(name)).find((name) => name !== undefined && name !== "");
}
