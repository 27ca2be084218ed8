/** A bpffs and a network namespace for datapath tests that run in the test's own process. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import koffi from "koffi";
import { NODE } from "../../src/datapath/contract.ts";
import { createEbpfDatapath } from "../../src/datapath/ebpf/datapath.ts";
import { interfaceIndex } from "../../src/datapath/ebpf/devices.ts";
import { type LoadedObject, loadObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath, NodeConfig } from "../../src/datapath/port.ts";

const root = new URL("../..", import.meta.url).pathname;
export const objectPath = `${root}bpf/build/shieldgate.o`;
const CLONE_NEWNET = 0x40000000;
const libc = koffi.load("libc.so.6");
const unshare = libc.func("int unshare(int flags)");
const setns = libc.func("int setns(int fd, int type)");
let opened = 0;

/** The contract's node in a cluster of both families. */
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

/** A pod of a test's node: its id is the last byte of its hardware address. */
export interface TestPod {
  readonly id: number;
  readonly identity: number;
  readonly address: string;
  readonly address6?: string;
}

/** A node in this process, and its programs, to be run on packets. */
export interface TestNode {
  readonly datapath: Datapath;
  readonly object: LoadedObject;
  /** Adds a pod and returns the number of its interface. */
  addPod(pod: TestPod): Promise<number>;
  close(): void;
}

/** Makes a node in surroundings of its own; `arrange` runs in its namespace before the datapath does. */
export async function openNode(config: NodeConfig, arrange: () => void = () => undefined): Promise<TestNode> {
  const surroundings = openSurroundings();
  try {
    arrange();
    return await nodeIn(surroundings, config);
  } catch (error) {
    surroundings.close();
    throw error;
  }
}

async function nodeIn(surroundings: Surroundings, config: NodeConfig): Promise<TestNode> {
  const { pinDirectory } = surroundings;
  const datapath = createEbpfDatapath({ pinDirectory, objectPath });
  await datapath.prepareNode(config);
  const object = loadObject(objectPath, pinDirectory);
  return {
    datapath,
    object,
    async addPod(pod) {
      const interfaceName = `lxc${pod.id}`;
      const ifindex = surroundings.addInterface(interfaceName);
      const mac = `02:00:00:00:00:0${pod.id}`;
      await datapath.addEndpoint({ ...pod, interfaceName, ifindex, mac, hostMac: "02:00:00:00:01:07" });
      return ifindex;
    },
    close() {
      object.close();
      datapath.close();
      surroundings.close();
    },
  };
}
