/** What `-o` prints of the kernel's maps: in the form of Cilium's, whose command reads maps of its own. */
import type { PolicyRow } from "../../datapath/port.ts";
import { prefixLength } from "./maps.ts";

/** A table of two columns: of every key what stands beside it. */
export function tableForm(cells: readonly (readonly string[])[]): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = {};
  for (const [key = "", value = ""] of cells) {
    found[key] ??= [];
    found[key].push(value);
  }
  return found;
}

/** Bits of Cilium's key before protocol and port: identity, and a byte for the direction. */
const STATIC_BITS = 40;
const DENY = 1;
/** Where the flags' byte keeps how many bits of protocol and port count. */
const PREFIX_SHIFT = 3;
export const networkOrder = (port: number) => ((port & 0xff) << 8) | (port >> 8);

/** Ports are in network byte order, as upstream prints them. */
export function policyForm(rows: readonly PolicyRow[]): readonly object[] {
  return rows.map((row) => {
    const prefix = prefixLength(row);
    return {
      ProxyPortNetwork: networkOrder(row.proxyPort),
      Flags: (row.deny ? DENY : 0) | (prefix << PREFIX_SHIFT),
      AuthRequirement: row.authType,
      Precedence: row.precedence,
      Cookie: row.cookie,
      Packets: row.packets,
      Bytes: row.bytes,
      Key: {
        Prefixlen: STATIC_BITS + prefix,
        Identity: row.identity,
        TrafficDirection: row.direction === "ingress" ? 0 : 1,
        Nexthdr: row.protocol,
        DestPortNetwork: networkOrder(row.port),
      },
    };
  });
}
