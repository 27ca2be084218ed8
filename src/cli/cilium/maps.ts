import type { ConnectionRow, EndpointConfig, MetricsRow, PolicyRow, ServiceFrontend } from "../../datapath/port.ts";
import { SOURCE_FILES } from "../../flow/decode/source-file.ts";
import { dropReasonText } from "../../flow/drop-reason.ts";
import { addressPort } from "../../model/cidr.ts";
import { compareText } from "../../model/label.ts";
import { AuthType } from "../../policy/column.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { table } from "./command.ts";

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

function protocolText(protocol: number): string {
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

const SCOPE_NAMES: Readonly<Record<ConnectionRow["scope"], string>> = {
  egress: "OUT",
  ingress: "IN",
  service: "SVC",
  proxy: "PROXY",
  hairpin: "HAIRPIN",
};

/** Cilium's bits of a connection's flags, in the order in which it names them. */
const FLAG_BITS: Readonly<Record<string, number>> = { RxClosing: 1, TxClosing: 2, SeenNonSyn: 16, ProxyRedirect: 64 };

function hex(flags: number, digits: number): string {
  return `0x${flags.toString(16).padStart(digits, "0")}`;
}

function flagsText(flags: readonly string[]): string {
  const known = Object.keys(FLAG_BITS).filter((name) => flags.includes(name));
  const others = flags.filter((name) => FLAG_BITS[name] === undefined);
  const bits = known.reduce((sum, name) => sum | (FLAG_BITS[name] ?? 0), 0);
  return `Flags=${hex(bits, 4)} [ ${[...known, ...others].map((flag) => `${flag} `).join("")}]`;
}

/**
 * One line of `cilium bpf ct list`, in upstream's words and order. The map here counts neither packets nor bytes and keeps
 * no identity and no number of a service: those words are left out.
 */
function connectionLine(row: ConnectionRow, withDifference: boolean): string {
  const { scope, source, sourcePort, destination, destinationPort, expires, expiresIn, translated } = row;
  const words = [
    `${protocolText(row.protocol)} ${SCOPE_NAMES[scope]} ${addressPort(source, sourcePort)} -> ${addressPort(destination, destinationPort)}`,
    `expires=${expires}${withDifference ? ` (remaining: ${expiresIn} sec(s))` : ""}`,
    `RxFlagsSeen=${hex(row.replyFlags, 2)} TxFlagsSeen=${hex(row.forwardFlags, 2)} ${flagsText(row.flags)}`,
  ];
  return `${[...words, ...(translated === "" ? [] : [`Nat=${translated}`])].join(" ")}\n`;
}

/** `withDifference`: how long each has left as well. */
export function connectionsText(rows: readonly ConnectionRow[], withDifference = false): string {
  return rows
    .map((row) => connectionLine(row, withDifference))
    .sort()
    .join("");
}

/** `cilium bpf endpoint list` */
export function kernelEndpointsText(endpoints: readonly EndpointConfig[]): string {
  return table([["IP ADDRESS", "LOCAL ENDPOINT INFO"], ...kernelEndpointCells(endpoints)]);
}

export function kernelEndpointCells(endpoints: readonly EndpointConfig[]): string[][] {
  return [...endpoints]
    .sort((a, b) => a.id - b.id)
    .flatMap(({ id, identity, address, address6, ifindex, mac, hostMac }) => {
      const info = `id=${String(id).padEnd(5)} sec_id=${String(identity).padEnd(5)} ifindex=${String(ifindex).padEnd(3)} mac=${mac.toUpperCase()} nodemac=${hostMac.toUpperCase()}`;
      return (address6 === undefined ? [address] : [address, address6]).map((own) => [addressPort(own, 0), info]);
    });
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
  return table([["IP PREFIX/ADDRESS", "IDENTITY"], ...ipcacheCells(entries)]);
}

export function ipcacheCells(entries: readonly IpcacheRow[]): string[][] {
  const sorted = entries.toSorted((a, b) => a.cidr.localeCompare(b.cidr, "en", { numeric: true }));
  return sorted.map((entry) => [entry.cidr, ipcacheValue(entry)]);
}

/** `cilium bpf lb list --revnat`: the address that replies of a service get back. */
export function revNatCells(services: readonly ServiceFrontend[]): string[][] {
  return services.map(({ id, address, port }) => [String(id), addressPort(address, port)]);
}

/** `cilium bpf lb list`: slot 0 is the frontend itself. Only a node's port can be reached from outside the cluster. */
export function loadBalancerCells(services: readonly ServiceFrontend[]): string[][] {
  return services.flatMap(({ id, address, port, protocol, type, affinitySeconds, backends }) => {
    const frontend = (slot: number) => `${addressPort(address, port)}/${protocolText(protocol)} (${slot})`;
    const affinity = affinitySeconds > 0 ? ["sessionAffinity"] : [];
    const flags = [type, ...affinity, ...(type === "ClusterIP" ? ["non-routable"] : [])].join(", ");
    return [
      [frontend(0), `${addressPort(address.includes(":") ? "::" : "0.0.0.0", 0)} (${id}) (0) [${flags}] `],
      ...backends.map((backend, slot) => [
        frontend(slot + 1),
        `${addressPort(backend.address, backend.port)}/${protocolText(protocol)} (${id}) (${slot + 1})`,
      ]),
    ];
  });
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
