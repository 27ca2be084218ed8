import { formatAddress } from "../../model/cidr.ts";
import { ipv4Text } from "../decode/address.ts";
import { LayerFault, viewOf } from "./layer.ts";

const END = 0;
const NOP = 1;
const MSS = 2;
const TIMESTAMPS = 8;
const MULTIPATH = 30;

const KINDS: Readonly<Record<number, string>> = {
  ...{ 0: "EndList", 1: "NOP", 2: "MSS", 3: "WindowScale", 4: "SACKPermitted", 5: "SACK", 6: "Echo" },
  ...{ 7: "EchoReply", 8: "Timestamps", 9: "PartialOrderConnectionPermitted", 10: "PartialOrderServiceProfile" },
  ...{ 11: "CC", 12: "CCNew", 13: "CCEcho", 14: "AltChecksum", 15: "AltChecksumData", 30: "MultipathTCP" },
};

function optionText(kind: number, data: Uint8Array): string {
  const name = KINDS[kind] ?? `Unknown(${kind})`;
  const hex = data.length === 0 ? "" : ` 0x${[...data].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const view = viewOf(data);
  if (kind === MSS && data.length >= 2) return `TCPOption(${name}:${view.getUint16(0)}${hex})`;
  if (kind === TIMESTAMPS && data.length === 8)
    return `TCPOption(${name}:${view.getUint32(0)}/${view.getUint32(4)}${hex})`;
  return `TCPOption(${name}:${hex})`;
}

/** A subtype of RFC 8684: the lengths that it may have, and what is said of the option's bytes. */
interface Multipath {
  readonly name: string;
  readonly fault: string;
  readonly isLength: (length: number, option: Uint8Array) => boolean;
  readonly says: (option: Uint8Array, length: number) => string;
}

const oneOf =
  (...lengths: number[]) =>
  (length: number) =>
    lengths.includes(length);
const nothing = () => "";
const isBackup = (option: Uint8Array) => (option[2]! & 1) !== 0;

function dssLengths(option: Uint8Array): readonly number[] {
  const flags = option[3] ?? 0;
  const acknowledged = (flags & 1) === 0 ? 0 : (flags & 2) === 0 ? 4 : 8;
  const sequence = (flags & 4) === 0 ? 0 : (flags & 8) === 0 ? 10 : 14;
  const length = 4 + acknowledged + sequence;
  return sequence === 0 ? [length] : [length, length + 2];
}

/** Bytes of an ADD_ADDR without its keyed hash, which version 1 has unless it is an echo. */
function addressBytes(option: Uint8Array, length: number): number {
  const version = (option[2]! & 0xf) > 1 ? 0 : 1;
  return version === 1 && (option[2]! & 1) === 0 ? length - 8 : length;
}

function addAddress(option: Uint8Array, length: number): string {
  const bytes = addressBytes(option, length);
  const address = bytes < 20 ? ipv4Text(option, 4) : formatAddress(option.subarray(4, 20));
  const portAt = bytes < 20 ? 8 : 20;
  const port = bytes === portAt + 2 ? viewOf(option).getUint16(portAt) : 0;
  return ` Address ID ${option[3]};Address ${address};Port ${port}`;
}

const SUBTYPES: Readonly<Record<number, Multipath>> = {
  0: {
    ...{ name: "MP_CAPABLE", fault: "MP_CAPABLE", isLength: oneOf(4, 12, 20, 22, 24) },
    says: (option) => ` Version ${option[2]! & 0xf}`,
  },
  1: {
    ...{ name: "MP_JOIN", fault: "MP_JOIN", isLength: oneOf(12, 16, 24) },
    // the last of its three has neither
    says: (option, length) =>
      length === 24 ? " Backup false;Address ID 0" : ` Backup ${isBackup(option)};Address ID ${option[3]}`,
  },
  2: {
    ...{ name: "DSS", fault: "DSS", says: nothing },
    isLength: (length, option) => dssLengths(option).includes(length),
  },
  3: {
    ...{ name: "ADD_ADDR", fault: "ADD_ADDR", says: addAddress },
    isLength: (length, option) => oneOf(8, 10, 20, 22)(addressBytes(option, length)),
  },
  4: {
    ...{ name: "REMOVE_ADDR", fault: "Rem_ADDR", isLength: (length: number) => length >= 4 },
    says: (option, length) => ` Address ID [${[...option.subarray(3, length)].join(" ")}]`,
  },
  5: {
    ...{ name: "MP_PRIO", fault: "MP_PRIO", isLength: oneOf(3, 4) },
    says: (option, length) => ` Backup ${isBackup(option)};Address ID ${length === 4 ? option[3] : 0}`,
  },
  6: { name: "MP_FAIL", fault: "MP_FAIL", isLength: oneOf(12), says: nothing },
  7: { name: "MP_FASTCLOSE", fault: "MP_FASTCLOSE", isLength: oneOf(12), says: nothing },
  8: {
    ...{ name: "MP_TCPRST", fault: "MP_TCPRST", isLength: oneOf(4) },
    says: (option) => ` Transient ${isBackup(option)}; Reason ${option[3]}`,
  },
};

function multipathText(option: Uint8Array): string {
  const length = option[1] ?? 0;
  if (length === 0) throw new LayerFault("MPTCP bad option length 0");
  const subtype = SUBTYPES[(option[2] ?? 0) >> 4];
  if (subtype === undefined) return optionText(MULTIPATH, option.subarray(0, 0));
  if (!subtype.isLength(length, option)) throw new LayerFault(`${subtype.fault} bad option length ${length}`);
  if (length > option.length)
    throw new LayerFault(`panic: runtime error: slice bounds out of range [${length}:${option.length}]`);
  return `MPTCPOption(${subtype.name}${subtype.says(option, length)})`;
}

function lengthOf(data: Uint8Array): number {
  const [kind, length] = data;
  if (kind === END || kind === NOP) return 1;
  if (length === undefined) throw new LayerFault("Invalid TCP option length. Length 1 less than 2", true);
  if (kind === MULTIPATH) return length;
  if (length < 2) throw new LayerFault(`Invalid TCP option length ${length} < 2`);
  if (length > data.length)
    throw new LayerFault(`Invalid TCP option length ${length} exceeds remaining ${data.length} bytes`, true);
  return length;
}

/** The options of a TCP header in gopacket's words, and what follows their end. Throws `LayerFault`. */
export function tcpOptions(data: Uint8Array) {
  const options: string[] = [];
  let isMultipath = false;
  let left = data;
  while (left.length > 0) {
    const kind = left[0]!;
    const length = lengthOf(left);
    if (kind === MULTIPATH) {
      isMultipath = true;
      options.push(multipathText(left));
    } else options.push(optionText(kind, left.subarray(2, Math.max(2, length))));
    left = left.subarray(length);
    if (kind === END) return { options, padding: left, isMultipath };
  }
  return { options, padding: left, isMultipath };
}
