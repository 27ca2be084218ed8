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
  readonly metadata: Readonly<Record<string, unknown>>;
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
  at.object(object, {
    apiVersion: (value, field) => {
      if (!kind.apiVersions.includes(value as string))
        field.refuse(`not a version of ${kind.kind}`, `use ${kind.apiVersions.join(" or ")}`, value);
    },
    kind: ignore,
    metadata: (value, field) => {
      if (isObject(value)) metadata = value;
      else field.refuse("must be an object", "write its fields below it", value);
    },
    ...Object.fromEntries(kind.fields.map((name) => [name, ignore])),
  });
  const key = readKey(metadata, at.child("metadata"), kind);
  return { kind, key, labelName: annotatedName(metadata) ?? key.name, metadata };
}

function findKind(value: unknown, at: Field, kinds: readonly PolicyKind[]): PolicyKind | undefined {
  const found = kinds.find(({ kind }) => kind === value);
  const mend = `use one of: ${kinds.map(({ kind }) => kind).join(", ")}`;
  if (found === undefined) at.refuse((value ?? null) === null ? "is required" : "not a policy kind", mend, value);
  return found;
}

function readKey(metadata: Record<string, unknown>, at: Field, { kind, isClusterwide }: PolicyKind): PolicyKey {
  const text = (field: string) => (typeof metadata[field] === "string" ? metadata[field] : "");
  if (text("name") === "") at.child("name").refuse("is required", "name the object");
  if (isClusterwide && text("namespace") !== "")
    at.child("namespace").refuse(`a ${kind} has none`, "leave the namespace out", text("namespace"));
  return { kind, namespace: isClusterwide ? "" : text("namespace") || "default", name: text("name"), uid: text("uid") };
}

function annotatedName({ annotations }: Record<string, unknown>): string | undefined {
  if (!isObject(annotations)) return undefined;
  const names = NAME_ANNOTATIONS.map((name) => annotations[name]);
  return names.find((name): name is string => typeof name === "string" && name !== "");
}
