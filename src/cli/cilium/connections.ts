/** What `cilium bpf ct list` prints of the map of connections. */
import type { ConnectionRow, ServiceFrontend } from "../../datapath/port.ts";
import { addressPort, parseAddress } from "../../model/cidr.ts";
import type { Value } from "../../wire/go-value.ts";
import { networkOrder } from "./map-forms.ts";
import { protocolText } from "./maps.ts";
import { typed } from "./output/value.ts";
import { backendIdOf, backendIds } from "./service-maps.ts";

const TCP = 6;
const IPV4_AT = 12;

/** Words of Cilium's for whose connection it is; it has no map of its own for the last two. */
const SCOPE_NAMES: Readonly<Record<ConnectionRow["scope"], string>> = {
  egress: "OUT",
  ingress: "IN",
  service: "SVC",
  proxy: "PROXY",
  hairpin: "HAIRPIN",
};
/** Flags of a key in Cilium's map. What the proxy or the pod itself opens is a connection that goes out. */
const TUPLE_FLAGS: Readonly<Record<ConnectionRow["scope"], number>> = {
  ...{ egress: 0, ingress: 1, service: 4, proxy: 0, hairpin: 0 },
};

/** Cilium's bits of a connection's flags, in the order in which it names them. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1, "RxClosing"],
  [2, "TxClosing"],
  [8, "LBLoopback"],
  [16, "SeenNonSyn"],
  [32, "NodePort"],
  [64, "ProxyRedirect"],
];

/** The numbers of services and backends that connections lead to. */
export interface ConnectionServices {
  /** 0 = none. */
  readonly serviceOf: (row: ConnectionRow) => number;
  readonly backendOf: (row: ConnectionRow) => number;
}

/** Of the services that there are now: the map has their addresses. */
export function connectionServices(services: readonly ServiceFrontend[]): ConnectionServices {
  const key = (address: string, port: number, protocol: number) => `${addressPort(address, port)}/${protocol}`;
  const numbers = new Map(services.map(({ id, address, port, protocol }) => [key(address, port, protocol), id]));
  const ids = backendIds(services);
  return {
    serviceOf: ({ scope, destination, destinationPort, translatedAddress, translatedPort, protocol }) =>
      (scope === "service"
        ? numbers.get(key(destination, destinationPort, protocol))
        : numbers.get(key(translatedAddress, translatedPort, protocol))) ?? 0,
    backendOf: ({ scope, translatedAddress, translatedPort, protocol }) =>
      scope === "service" ? backendIdOf(ids, { address: translatedAddress, port: translatedPort }, protocol) : 0,
  };
}

const hex = (flags: number, digits: number): string => `0x${flags.toString(16).padStart(digits, "0")}`;

function flagsText(flags: number): string {
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => `${name} `);
  return `Flags=${hex(flags, 4)} [ ${names.join("")}]`;
}

/** A line in upstream's words. Packets and bytes are not counted, as in Cilium without --bpf-conntrack-accounting, its default. */
function connectionLine(row: ConnectionRow, services: ConnectionServices, withDifference: boolean): string {
  const ends = `${addressPort(row.source, row.sourcePort)} -> ${addressPort(row.destination, row.destinationPort)}`;
  const words = [
    `${protocolText(row.protocol)} ${SCOPE_NAMES[row.scope]} ${ends}`,
    `expires=${row.expires}${withDifference ? ` (remaining: ${row.expiresIn} sec(s))` : ""}`,
    "Packets=0 Bytes=0",
    `RxFlagsSeen=${hex(row.replyFlags, 2)} LastRxReport=${row.replyReported}`,
    `TxFlagsSeen=${hex(row.forwardFlags, 2)} LastTxReport=${row.forwardReported}`,
    `${flagsText(row.flags)} RevNAT=${services.serviceOf(row)} SourceSecurityID=${row.sourceIdentity}`,
    `BackendID=${services.backendOf(row)} NatPort=${row.scope === "service" ? 0 : row.translatedPort}`,
  ];
  return `${words.join(" ")} \n`;
}

/** Cilium has a map for each, which its command prints one after the other. */
const MAPS: readonly ((row: ConnectionRow) => boolean)[] = [false, true].flatMap((isIPv6) =>
  [true, false].map(
    (isTcp) => (row: ConnectionRow) => row.source.includes(":") === isIPv6 && (row.protocol === TCP) === isTcp,
  ),
);

/** `withDifference`: how long each has left as well; `isDual`: there are maps of IPv6. An empty line ends each map. */
export function connectionsText(
  rows: readonly ConnectionRow[],
  services: ConnectionServices,
  { withDifference, isDual }: { readonly withDifference: boolean; readonly isDual: boolean },
): string {
  return MAPS.slice(0, isDual ? MAPS.length : 2)
    .map((isIn) => rows.filter(isIn).map((row) => connectionLine(row, services, withDifference)))
    .map((lines) => `${lines.sort().join("")}\n`)
    .join("");
}

function bytesOf(address: string): readonly number[] {
  const bytes = parseAddress(address) ?? new Uint8Array();
  return [...(address.includes(":") ? bytes : bytes.subarray(bytes.length === 16 ? IPV4_AT : 0))];
}

/** The form of `-o`: Cilium's own maps', in which addresses stand the other way round and ports in network byte order. */
export function connectionsForm(rows: readonly ConnectionRow[], services: ConnectionServices): Value {
  const ofMaps = MAPS.flatMap((isIn) => rows.filter(isIn));
  const items = ofMaps.map((row) =>
    typed(record(row, services), row.source.includes(":") ? "CtMapRecord6" : "CtMapRecord4"),
  );
  return { kind: "list", items };
}

function record(row: ConnectionRow, services: ConnectionServices): object {
  const [opener, other] = [
    { address: bytesOf(row.source), port: networkOrder(row.sourcePort) },
    { address: bytesOf(row.destination), port: networkOrder(row.destinationPort) },
  ];
  const isService = row.scope === "service";
  return {
    Key: {
      DestAddr: isService ? other.address : opener.address,
      SourceAddr: isService ? opener.address : other.address,
      DestPort: isService ? opener.port : other.port,
      SourcePort: isService ? other.port : opener.port,
      NextHeader: row.protocol,
      Flags: TUPLE_FLAGS[row.scope],
    },
    Value: {
      Union0: [0, services.backendOf(row)],
      ...{ Packets: 0, Bytes: 0, Lifetime: row.expires, Flags: row.flags },
      RevNAT: networkOrder(services.serviceOf(row)),
      NatPort: isService ? 0 : networkOrder(row.translatedPort),
      ...{ TxFlagsSeen: row.forwardFlags, RxFlagsSeen: row.replyFlags, SourceSecurityID: row.sourceIdentity },
      ...{ LastTxReport: row.forwardReported, LastRxReport: row.replyReported },
    },
  };
}
