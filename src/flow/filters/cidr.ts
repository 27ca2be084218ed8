import { cidrContains, parseCidr } from "../../model/cidr.ts";

/** A test whether an address lies within `address/length`; undefined when the prefix is malformed. */
export function parsePrefix(text: string): ((address: string) => boolean) | undefined {
  const outer = parseCidr(text);
  if (!outer) return undefined;
  return (address) => {
    const inner = parseCidr(address);
    return inner !== undefined && cidrContains(outer, inner);
  };
}
