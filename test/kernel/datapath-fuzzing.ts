/** What the fuzz tests of both families share: random bytes, and the rule that every packet of a pod is held to. */
import { expect } from "vitest";
import type { LoadedObject, ProgramName } from "../../src/datapath/ebpf/object.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { OK, REDIRECT, runProgram, SHOT } from "./datapath-packets.ts";

export const RUNS = Number(process.env["SG_FUZZ_RUNS"] ?? 20_000);
export const PROGRAMS: readonly ProgramName[] = [
  "from_endpoint",
  "to_endpoint",
  "from_overlay",
  "from_network",
  "to_network",
  "from_host",
  "to_proxy",
  "loopback",
];

export const byte = (value: number) => value.toString(16).padStart(2, "0");

export function randomHex(random: Random, bytes: number): string {
  return Array.from({ length: bytes }, () => byte(random.below(256))).join("");
}

export interface PacketMaker {
  randomPacket(random: Random): Buffer;
  /** What may leave the pod although nothing is allowed. */
  isExcepted(packet: Buffer): boolean;
}

/** Random packets through every program: each ends in a way that there is, and none leaves the pod whose policy allows nothing. */
export function expectNothingLeaves(object: LoadedObject, ifindex: number, maker: PacketMaker): void {
  let judged = 0;
  for (let run = 0; run < RUNS; run++) {
    const random = new Random(run);
    const packet = maker.randomPacket(random);
    const program = random.percent(60) ? "from_endpoint" : random.pick(PROGRAMS);
    const result = runProgram(object, program, ifindex, packet);
    const what = `run ${run}: ${program} ${packet.toString("hex")}`;
    expect([OK, SHOT, REDIRECT], what).toContain(result);
    if (program !== "from_endpoint" || maker.isExcepted(packet)) continue;
    judged++;
    expect(result, what).toBe(SHOT);
  }
  expect(judged).toBeGreaterThan(RUNS / 4);
}
