import { expect, test } from "vitest";
import { DENIED_CALLS, seccompFilter } from "./seccomp.ts";

const X86_64 = 0xc000003e;

/** Runs a classic BPF program on a struct seccomp_data, as the kernel would. */
function run(number: number, args: readonly number[] = [], architecture = X86_64): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [index, value] of args.entries()) data.setUint32(16 + 8 * index, value, true);
  const program = new DataView(seccompFilter().buffer);
  let accumulator = 0;
  for (let at = 0; ; at += 8) {
    const [code, k] = [program.getUint16(at, true), program.getUint32(at + 4, true)];
    const jump = (condition: boolean) => program.getUint8(at + (condition ? 2 : 3)) * 8;
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) at += jump(accumulator === k);
    else if (code === 0x35) at += jump(accumulator >= k);
    else if (code === 0x45) at += jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`instruction ${code.toString(16)} at ${at}`);
  }
}

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const errno = (number: number) => 0x00050000 | number;

test("ordinary calls pass: read, execve, wait, threads", () => {
  for (const number of [0, 1, 59, 61, 202, 257, 262, 334]) expect(run(number)).toBe(ALLOW);
  expect(run(56, [0x003d0f00])).toBe(ALLOW);
});

test.each(Object.entries(DENIED_CALLS))("%s is refused", (_name, number) => {
  expect(run(number)).toBe(errno(1));
});

test("no call makes a namespace, and clone3 sends the C library back to clone", () => {
  for (const flag of [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]) {
    expect(run(56, [flag | 17])).toBe(errno(1));
  }
  expect(run(435)).toBe(errno(38));
});

test("sockets: TCP, UDP, ping, unix and route netlink only", () => {
  const [SOCK_CLOEXEC, STREAM, DGRAM, RAW] = [0o2000000, 1, 2, 3];
  for (const family of [2, 10]) {
    expect(run(41, [family, STREAM | SOCK_CLOEXEC, 6])).toBe(ALLOW);
    expect(run(41, [family, DGRAM, 1])).toBe(ALLOW);
    expect(run(41, [family, RAW | SOCK_CLOEXEC, 1])).toBe(errno(1));
  }
  expect(run(41, [1, STREAM, 0])).toBe(ALLOW);
  expect(run(41, [16, RAW, 0])).toBe(ALLOW);
  expect(run(41, [16, RAW, 12])).toBe(errno(93));
  for (const family of [17, 40, 38, 44, 15, 31]) expect(run(41, [family, STREAM, 0])).toBe(errno(97));
});

test("other architectures and the x32 interface end the process", () => {
  expect(run(0, [], 0x40000003)).toBe(KILL);
  expect(run(0x40000000 + 41)).toBe(KILL);
});

test("no input is faked on a terminal", () => {
  expect(run(16, [0, 0x5412])).toBe(errno(1));
  expect(run(16, [0, 0x5413])).toBe(ALLOW);
});
