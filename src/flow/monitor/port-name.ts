import { SCTP, TCP, TCP_AND_UDP, UDP } from "./port-names.ts";

function unpacked(...lists: readonly string[]): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const list of lists) {
    let next = 0;
    for (const word of list.replaceAll("\n", "").split(",").slice(0, -1)) {
      const [name, at] = word.split(":").reverse();
      const port = at === undefined ? next : Number(at);
      names.set(port, name!);
      next = port + 1;
    }
  }
  return names;
}

/** Read when the first port is told: most users of this code never do. */
let names: Readonly<Record<"tcp" | "udp" | "sctp", ReadonlyMap<number, string>>> | undefined;

/** `53(domain)` where IANA has a name for the port, else the number. */
export function portText(protocol: "tcp" | "udp" | "sctp", port: number): string {
  names ??= { tcp: unpacked(TCP_AND_UDP, TCP), udp: unpacked(TCP_AND_UDP, UDP), sctp: unpacked(SCTP) };
  const name = names[protocol].get(port);
  return name === undefined ? String(port) : `${port}(${name})`;
}
