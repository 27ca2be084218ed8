/** A bpffs and a network namespace for datapath tests that run in the test's own process. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import koffi from "koffi";
import { interfaceIndex } from "../../src/datapath/ebpf/devices.ts";
import type { NodeConfig } from "../../src/datapath/port.ts";

const root = new URL("../..", import.meta.url).pathname;
export const objectPath = `${root}bpf/build/shieldgate.o`;
const CLONE_NEWNET = 0x40000000;
const libc = koffi.load("libc.so.6");
const unshare = libc.func("int unshare(int flags)");
const setns = libc.func("int setns(int fd, int type)");
let opened = 0;

/** The node that these tests play. */
export const NODE: NodeConfig = {
  name: "n1",
  address: "192.168.10.101",
  router: "172.20.1.1",
  podCidr: "172.20.1.0/24",
  clusterCidr: "172.20.0.0/16",
  serviceCidr: "10.96.0.0/16",
  networkInterface: "eth0",
  apiServer: false,
};

/** The same in a cluster of both families. */
export const DUAL_NODE: NodeConfig = {
  ...NODE,
  ipv6: {
    address: "fd00:192:168:10::101",
    router: "fd00:172:20:1::1",
    podCidr: "fd00:172:20:1::/64",
    clusterCidr: "fd00:172:20::/56",
    serviceCidr: "fd00:10:96::/112",
  },
};

export interface Surroundings {
  readonly pinDirectory: string;
  /** Makes a veth and returns its number. */
  addInterface(name: string): number;
  close(): void;
}

/** This thread moves into a network namespace of its own, with an eth0; child processes follow it. */
export function openSurroundings(): Surroundings {
  const pinDirectory = `/run/sgt-c-${process.pid}-${opened++}`;
  execFileSync("sh", [`${root}scripts/build-bpf.sh`]);
  mkdirSync(pinDirectory, { recursive: true });
  execFileSync("mount", ["-t", "bpf", "bpf", pinDirectory]);
  const home = openSync("/proc/thread-self/ns/net", "r");
  if (unshare(CLONE_NEWNET) < 0) throw new Error(`unshare: errno ${koffi.errno()}`);
  const addInterface = (name: string) => {
    execFileSync("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
    return interfaceIndex(name);
  };
  addInterface("eth0");
  return {
    pinDirectory,
    addInterface,
    close() {
      setns(home, CLONE_NEWNET);
      closeSync(home);
      spawnSync("umount", [pinDirectory]);
      rmSync(pinDirectory, { recursive: true, force: true });
    },
  };
}
