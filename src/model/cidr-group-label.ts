import type { Label } from "./label.ts";

const SOURCE = "cidrgroup";
/** Key of the label that names a group, before its name. */
export const CIDR_GROUP_NAME_PREFIX = "io.cilium.policy.cidrgroupname/";
/** Cannot occur in a label key, so that an encoded key never equals a plain one; the same as Cilium writes. */
const SEPARATOR = "+";

/** Key of the label that says that one of a prefix's groups has `key` with this value. */
export function encodedGroupKey(key: string, value: string): string {
  return `${key}${SEPARATOR}${value}`;
}

/** Labels of every prefix in a group: its name, each of its labels, and each once more with the value in the key. */
export function cidrGroupLabels(group: {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}): Label[] {
  const named: Label = { source: SOURCE, key: `${CIDR_GROUP_NAME_PREFIX}${group.name}`, value: "" };
  const own = Object.entries(group.labels).flatMap(([key, value]): Label[] => [
    { source: SOURCE, key, value },
    { source: SOURCE, key: encodedGroupKey(key, value), value: "" },
  ]);
  return [named, ...own];
}
