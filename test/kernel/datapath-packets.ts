/** Packets as bytes, and single programs run on them by BPF_PROG_TEST_RUN. */
import koffi from "koffi";
import type { LoadedObject, ProgramName } from "../../src/datapath/ebpf/object.ts";
import { parseAddress } from "../../src/model/cidr.ts";

const Opts = koffi.struct("sg_test_run_opts", {
  sz: "size_t",
  data_in: "uint8_t *",
  data_out: "uint8_t *",
  data_size_in: "uint32_t",
  data_size_out: "uint32_t",
  ctx_in: "uint8_t *",
  ctx_out: "uint8_t *",
  ctx_size_in: "uint32_t",
  ctx_size_out: "uint32_t",
  retval: "uint32_t",
  repeat: "int",
  duration: "uint32_t",
  flags: "uint32_t",
  cpu: "uint32_t",
  batch_size: "uint32_t",
});
const testRun = koffi.load("libbpf.so.1").func("int bpf_prog_test_run_opts(int fd, _Inout_ sg_test_run_opts *opts)");

/** What a tc program may answer. */
export const OK = 0;
export const SHOT = 2;
export const REDIRECT = 7;

export const POD = "172.20.1.10";
export const POD6 = "fd00:172:20:1::a";
export const PEER = "192.168.10.1";
export const MAC = "020000000007";
export const HOST_MAC = "020000000107";

/** Offset of `ingress_ifindex` and of `ifindex` in struct __sk_buff. */
const IFINDEX = 40;

export const hexOf = (address: string) => Buffer.from(address.split(".").map(Number)).toString("hex");
export const hexOf6 = (address: string) => Buffer.from(parseAddress(address)!).toString("hex");
const port = (value: number) => value.toString(16).padStart(4, "0");

export interface Ipv4 {
  readonly from?: string;
  readonly to?: string;
  readonly protocol?: number;
  /** Flags and offset field, as four hex digits. */
  readonly fragment?: string;
  readonly id?: number;
}

export function ipv4(
  payload: string,
  { from = POD, to = PEER, protocol = 17, fragment = "0000", id = 1 }: Ipv4 = {},
): string {
  const length = port(20 + payload.length / 2);
  return `4500${length}${port(id)}${fragment}40${protocol.toString(16).padStart(2, "0")}0000${hexOf(from)}${hexOf(to)}${payload}`;
}

/** `protocol` = next header. */
export function ipv6(payload: string, from: string, to: string, protocol: number): string {
  const next = protocol.toString(16).padStart(2, "0");
  return `60000000${port(payload.length / 2)}${next}40${hexOf6(from)}${hexOf6(to)}${payload}`;
}

export const frame = (type: string, payload: string, source = MAC) =>
  Buffer.from(HOST_MAC + source + type + payload, "hex");
export const udp = (sport: number, dport: number) => `${port(sport)}${port(dport)}00100000${"00".repeat(8)}`;
export const tcp = (sport: number, dport: number) => `${port(sport)}${port(dport)}00000000000000005002ffff00000000`;
export const sctp = (sport: number, dport: number) => `${port(sport)}${port(dport)}${"00".repeat(12)}`;
export const icmp = (type: number, id: number) =>
  `${type.toString(16).padStart(2, "0")}000000${port(id)}0000${"00".repeat(8)}`;

/** The payload of a first packet of a protocol; `target` = destination port or ICMP type. Undefined = no such protocol here. */
export function opening(protocol: number, sport: number, target: number): string | undefined {
  return {
    1: icmp(target, sport),
    58: icmp(target, sport),
    6: tcp(sport, target),
    17: udp(sport, target),
    132: sctp(sport, target),
  }[protocol];
}

const EINTR = 4;
const ATTEMPTS = 5;

/** Runs the program on a packet that came in at the interface, `repeat` times on the same bytes; the time is that of one run. */
export function runOften(
  object: LoadedObject,
  program: ProgramName,
  ifindex: number,
  packet: Buffer,
  repeat: number,
): { readonly result: number; readonly nanoseconds: number; readonly packet: Buffer } {
  const context = Buffer.alloc(192);
  context.writeUInt32LE(ifindex, IFINDEX);
  const out = Buffer.alloc(2048);
  const opts = {
    sz: koffi.sizeof(Opts),
    data_in: packet,
    data_out: out,
    data_size_in: packet.length,
    data_size_out: out.length,
    ctx_in: context,
    ctx_out: null,
    ctx_size_in: context.length,
    ctx_size_out: 0,
    retval: 0,
    repeat,
    duration: 0,
    flags: 0,
    cpu: 0,
    batch_size: 0,
  };
  let failed = -EINTR;
  // a signal to the process, such as the end of a child, ends a long run early
  for (let attempt = 0; failed === -EINTR && attempt < ATTEMPTS; attempt++)
    failed = testRun(object.program(program), opts);
  if (failed < 0) throw new Error(`test run of ${program}: ${failed}: ${packet.toString("hex")}`);
  return { result: opts.retval, nanoseconds: opts.duration, packet: out.subarray(0, opts.data_size_out) };
}

/** Runs the program once. Returns its answer. */
export function runProgram(object: LoadedObject, program: ProgramName, ifindex: number, packet: Buffer): number {
  return runOften(object, program, ifindex, packet, 1).result;
}
