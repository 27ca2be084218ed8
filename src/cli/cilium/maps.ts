import type { EndpointConfig, MetricsRow, PolicyRow } from "../../datapath/port.ts";
import { SOURCE_FILES } from "../../flow/decode/source-file.ts";
import { dropReasonText } from "../../flow/drop-reason.ts";
import { addressPort } from "../../model/cidr.ts";
import { compareText } from "../../model/label.ts";
import { AuthType } from "../../policy/column.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { mapTable, table } from "./command.ts";

const PROTOCOLS: Readonly<Record<number, string>> = {
  0: "ANY",
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  132: "SCTP",
};
const AUTH_NAMES = {
  [AuthType.Disabled]: "disabled",
  [AuthType.Spire]: "spire",
  [AuthType.AlwaysFail]: "test-always-fail",
};
/** Whom a number stands for. */
interface Peer {
  readonly id: number;
  readonly labels: readonly string[];
}

const PORT_BITS = 16;
const PROTOCOL_BITS = 8;

export function protocolText(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}

function portText({ protocol, port, portPrefix }: PolicyRow): string {
  const name = protocolText(protocol);
  if (portPrefix === 0) return name;
  if (portPrefix === PORT_BITS) return `${port}/${name}`;
  return `${port}-${port + 2 ** (PORT_BITS - portPrefix) - 1}/${name}`;
}

/** Bits of protocol and port that count. */
export function prefixLength({ protocol, portPrefix }: PolicyRow): number {
  return protocol === 0 ? 0 : PROTOCOL_BITS + portPrefix;
}

/** What denies first, as upstream sorts, then by key. */
export function byKey(a: PolicyRow, b: PolicyRow): number {
  if (a.deny !== b.deny) return a.deny ? -1 : 1;
  if (a.direction !== b.direction) return a.direction === "ingress" ? -1 : 1;
  return a.identity - b.identity || a.protocol - b.protocol || a.port - b.port || a.portPrefix - b.portPrefix;
}

function policyCells(row: PolicyRow, peers: readonly string[]): string[][] {
  const { deny, direction, proxyPort, authType, bytes, packets, cookie } = row;
  const [first = "", ...others] = peers;
  return [
    [
      deny ? "Deny" : "Allow",
      direction === "ingress" ? "Ingress" : "Egress",
      first,
      portText(row),
      proxyPort === 0 ? "NONE" : String(proxyPort),
      AUTH_NAMES[authType as keyof typeof AUTH_NAMES] ?? String(authType),
      String(bytes),
      String(packets),
      String(prefixLength(row)),
      String(cookie),
    ],
    ...others.map((label) => ["", "", label, "", "", "", "", "", "", ""]),
  ];
}

/** `cilium bpf policy get`; without `identities` peers are numbers, as with `-n`. */
export function policyMapText(rows: readonly PolicyRow[], identities?: readonly Peer[]): string {
  const labels = new Map(identities?.map((identity) => [identity.id, identity.labels]));
  const peersOf = ({ identity }: PolicyRow) =>
    identities === undefined
      ? [String(identity)]
      : identity === 0
        ? ["ANY"]
        : (labels.get(identity) ?? [String(identity)]);
  const header = [
    ...["POLICY", "DIRECTION", identities === undefined ? "IDENTITY" : "LABELS (source:key[=value])", "PORT/PROTO"],
    ...["PROXY PORT", "AUTH TYPE", "BYTES", "PACKETS", "PREFIX", "COOKIE"],
  ];
  const body = [...rows].sort(byKey).flatMap((row) => policyCells(row, peersOf(row)));
  const empty = rows.length === 0 ? "Policy stats empty. Perhaps the policy enforcement is disabled?\n" : "";
  return `${table([header, ...body])}${empty}`;
}

/** `cilium bpf endpoint list` */
export function kernelEndpointsText(endpoints: readonly KernelEndpoint[]): string {
  return mapTable("IP ADDRESS", "LOCAL ENDPOINT INFO", kernelEndpointCells(endpoints));
}

/** What is at an address of this node: a pod, or the node itself. */
export type KernelEndpoint = EndpointConfig | { readonly localhost: string };

/** Of the flags none is ever set, and of the parent and the routes' table none is needed. */
export function kernelEndpointCells(endpoints: readonly KernelEndpoint[]): string[][] {
  const hosts = endpoints.flatMap((row) =>
    "localhost" in row ? [[addressPort(row.localhost, 0), "(localhost)"]] : [],
  );
  const pods = endpoints
    .flatMap((row) => ("localhost" in row ? [] : [row]))
    .sort((a, b) => a.id - b.id)
    .flatMap(({ id, identity, address, address6, ifindex, mac, hostMac }) => {
      const info = `id=${String(id).padEnd(5)} sec_id=${String(identity).padEnd(5)} flags=0x0000 ifindex=${String(ifindex).padEnd(3)} mac=${mac.toUpperCase()} nodemac=${hostMac.toUpperCase()} parent_ifindex=0   rt_info:0`;
      return (address6 === undefined ? [address] : [address, address6]).map((own) => [addressPort(own, 0), info]);
    });
  return [...hosts, ...pods];
}

/** An entry of the kernel's ipcache. */
export interface IpcacheRow {
  readonly cidr: string;
  readonly identity: number;
  readonly tunnel: string;
}

/** An entry's value, as Cilium writes it. */
export function ipcacheValue({ identity, tunnel }: IpcacheRow): string {
  const flags = tunnel === "0.0.0.0" ? "<none>" : "hastunnel";
  return `identity=${identity} encryptkey=0 tunnelendpoint=${tunnel} flags=${flags}`;
}

/** `cilium bpf ipcache list` */
export function ipcacheText(entries: readonly IpcacheRow[]): string {
  return mapTable("IP PREFIX/ADDRESS", "IDENTITY", ipcacheCells(entries));
}

export function ipcacheCells(entries: readonly IpcacheRow[]): string[][] {
  const sorted = entries.toSorted((a, b) => a.cidr.localeCompare(b.cidr, "en", { numeric: true }));
  return sorted.map((entry) => [entry.cidr, ipcacheValue(entry)]);
}

const METRICS_TITLE = ["REASON", "DIRECTION", "PACKETS", "BYTES", "LINE", "FILE"];

/** The file of the datapath's source with this number, as `cilium monitor` names it. */
function sourceFile(number: number): string {
  return SOURCE_FILES[number - 1] ?? `unknown(${number})`;
}

/** The form of `cilium bpf metrics list -o json`. */
export function metricsJson(rows: readonly MetricsRow[]): object[] {
  return rows.map(({ reason, direction, packets, bytes, line, file }) => ({
    ...{ reason: dropReasonText(reason), direction: direction || "unknown" },
    ...{ packets, bytes, line, file: sourceFile(file) },
  }));
}

/** `cilium bpf metrics list`: by reason, direction and place. */
export function metricsText(rows: readonly MetricsRow[]): string {
  const cells = rows.map(({ reason, direction, packets, bytes, line, file }) => {
    const counts = [packets, bytes, line].map(String);
    return [dropReasonText(reason), direction.toUpperCase() || "UNKNOWN", ...counts, sourceFile(file)];
  });
  const sorted = cells.sort((a, b) => compareText(a.join("\0"), b.join("\0")));
  const lines = [METRICS_TITLE, ...sorted].map((row) => `${row.join("\t")}\n`);
  return alignTabs(lines.join(""), { minWidth: 5, padding: 3 });
}

/** Where an endpoint's policy stands: one map has all. */
export const policyPath = (id: number) => `sg_policy, key ${id}`;

/** One endpoint's part of `cilium bpf policy get --all`. */
export function endpointPolicyText(id: number, rows: readonly PolicyRow[], identities?: readonly Peer[]): string {
  return `Endpoint ID: ${id}\nPath: ${policyPath(id)}\n\n${policyMapText(rows, identities)}\n\n`;
}
