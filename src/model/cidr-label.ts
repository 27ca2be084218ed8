import { type Cidr, formatAddress, parseCidr } from "./cidr.ts";
import type { Label, Labels } from "./label.ts";

/** Keys of the reserved labels of what is outside the cluster: of either family, and of each where both are enabled. */
export const WORLD_KEYS: readonly string[] = ["world", "world-ipv4", "world-ipv6"];

/**
 * The key of a `cidr:` label: masked address and length. IPv6 has `-` for `:` and a `0` where the key would begin or
 * end with a dash, as Cilium writes it.
 */
export function cidrKey(cidr: Cidr): string {
  const address = formatAddress(cidr.bytes).replaceAll(":", "-");
  const padded = cidr.family === 4 ? address : address.replace(/^-/, "0-").replace(/-$/, "-0");
  return `${padded}/${cidr.length}`;
}

/** Reads such a key back; undefined when it is none. */
export function cidrOfKey(key: string): Cidr | undefined {
  return parseCidr(key.includes("-") ? key.replaceAll("-", ":") : key);
}

/**
 * Labels of the identity of a prefix outside the cluster: the prefix and world. `dualStack` tells the world of IPv4 from
 * that of IPv6; a prefix of length 0 has the world label alone.
 */
export function cidrLabels(cidr: Cidr, dualStack = false): Labels {
  const world: Label = { source: "reserved", key: dualStack ? `world-ipv${cidr.family}` : "world", value: "" };
  return cidr.length === 0 ? [world] : [{ source: "cidr", key: cidrKey(cidr), value: "" }, world];
}

const parsed = new WeakMap<Labels, { readonly cidr: Cidr | undefined }>();

/** The prefix that an identity's labels name; undefined when they name none. Remembered for each list of labels. */
export function cidrOfLabels(labels: Labels): Cidr | undefined {
  const known = parsed.get(labels);
  if (known !== undefined) return known.cidr;
  const label = labels.find(({ source }) => source === "cidr");
  const cidr = label === undefined ? undefined : cidrOfKey(label.key);
  parsed.set(labels, { cidr });
  return cidr;
}

/** True for identities outside the cluster. */
export function hasWorldLabel(labels: Labels): boolean {
  return labels.some(({ source, key }) => source === "reserved" && WORLD_KEYS.includes(key));
}
