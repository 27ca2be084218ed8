/** Puts programs on tc clsact hooks. They stay when the process ends; attaching again replaces them in one step. */
import { bpf, check } from "./libbpf.ts";

export type Hook = "ingress" | "egress";
const POINT: Record<Hook, number> = { ingress: 1, egress: 2 };
const REPLACE = 1;
const EEXIST = 17;
const HANDLE = 1;
const PRIORITY = 1;

/** struct bpf_tc_hook of libbpf: size, ifindex, attach point, parent. */
function hookBytes(ifindex: number, point: number): Buffer {
  const hook = Buffer.alloc(24);
  hook.writeBigUInt64LE(24n, 0);
  hook.writeInt32LE(ifindex, 8);
  hook.writeInt32LE(point, 12);
  return hook;
}

/** struct bpf_tc_opts of libbpf: size, program, flags, program id, handle, priority. */
function optsBytes(programFd: number): Buffer {
  const opts = Buffer.alloc(32);
  opts.writeBigUInt64LE(32n, 0);
  opts.writeInt32LE(programFd, 8);
  opts.writeUInt32LE(REPLACE, 12);
  opts.writeUInt32LE(HANDLE, 20);
  opts.writeUInt32LE(PRIORITY, 24);
  return opts;
}

/** Makes the interface's clsact qdisc unless it is there. */
export function createHooks(ifindex: number): void {
  const result = bpf.tcHookCreate(hookBytes(ifindex, POINT.ingress));
  if (result !== -EEXIST) check(`make clsact on interface ${ifindex}`, result);
}

/** Attaches or atomically replaces the program on one hook. */
export function attach(ifindex: number, hook: Hook, programFd: number): void {
  check(
    `attach to tc ${hook} of interface ${ifindex}`,
    bpf.tcAttach(hookBytes(ifindex, POINT[hook]), optsBytes(programFd)),
  );
}

/** Removes the clsact qdisc with all that is attached. */
export function removeHooks(ifindex: number): void {
  bpf.tcHookDestroy(hookBytes(ifindex, POINT.ingress | POINT.egress));
}
