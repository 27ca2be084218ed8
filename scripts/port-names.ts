/**
 * Writes src/flow/monitor/port-names.ts: the names of ports in IANA's registry, in the state of it that Cilium's packet dissector
 * has (gopacket's iana_ports.go, in the Go module cache once `npm run oracles` has run). Run by hand when that changes:
 * `sh scripts/with-node.sh node scripts/port-names.ts FILE`.
 */
import { readFileSync, writeFileSync } from "node:fs";

const LINE = 220;
const OUT = new URL("../src/flow/monitor/port-names.ts", import.meta.url);

const source = readFileSync(process.argv[2] ?? "", "utf8");

/** Port and name of one protocol. */
function namesOf(protocol: string): Map<number, string> {
  const body = source.split(`func ${protocol}PortNames(`)[1]?.split(/^func /m)[0] ?? "";
  const found = [...body.matchAll(/case (\d+):\s*return "([^"]*)", true/g)];
  return new Map(found.map(([, port, name]) => [Number(port), name ?? ""]));
}

/** `name,name,9:name`: a port is written where it is not the one before plus one. */
function packed(entries: readonly (readonly [number, string])[]): string {
  let next = 0;
  const words = entries.map(([port, name]) => {
    const at = port === next ? "" : `${port}:`;
    next = port + 1;
    return `${at}${name},`;
  });
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1)!.length + word.length > LINE) lines.push("");
    lines[lines.length - 1] += word;
  }
  return lines.join("\n");
}

const [tcp, udp, sctp] = [namesOf("TCP"), namesOf("UDP"), namesOf("SCTP")];
const isShared = ([port, name]: readonly [number, string]) => tcp.get(port) === name && udp.get(port) === name;
const lists = {
  TCP_AND_UDP: [...tcp].filter(isShared),
  TCP: [...tcp].filter((entry) => !isShared(entry)),
  UDP: [...udp].filter((entry) => !isShared(entry)),
  SCTP: [...sctp],
};
const text = Object.entries(lists).map(([name, entries]) => `export const ${name} = \`\n${packed(entries)}\n\`;\n`);
writeFileSync(
  OUT,
  `/** Written by scripts/port-names.ts: IANA's names of ports. \`9:\` gives the next one's number, else it is one more. */\n\n${text.join("\n")}`,
);
