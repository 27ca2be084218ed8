/** What the kernel does not take: the words that it says, and what stays in force meanwhile. */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NODE } from "../../src/datapath/contract.ts";
import { createEbpfDatapath } from "../../src/datapath/ebpf/datapath.ts";
import { bpf } from "../../src/datapath/ebpf/libbpf.ts";
import { type LoadedObject, loadObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { ALLOW_ALL, entry, policy } from "./datapath-lab.ts";
import { frame, ipv4, OK, PEER, POD, REDIRECT, runProgram, SHOT, udp } from "./datapath-packets.ts";
import { objectPath, openSurroundings, type Surroundings } from "./datapath-surroundings.ts";

/** Instructions: a call of bpf_map_lookup_elem, and r0 = *(u64 *)r0, which nobody may do with an r0 that was never set. */
const LOOK_UP = Buffer.from("8500000001000000", "hex");
const READ_NOTHING = Buffer.from("7900000000000000", "hex");
const [OPEN, CLOSED] = [53, 54];
/** Of sg_endpoint_by_addr, bpf/lib/maps.h. */
const ROOM = 4096;
/** Of sg_service. */
const SERVICES = 65_536;

let surroundings: Surroundings;
let datapath: Datapath;
let object: LoadedObject;
let ifindex: number;
/** What the datapath told of calls on its maps. */
const calls = new Set<string>();

const send = (port: number, to = PEER) =>
  runProgram(object, "from_endpoint", ifindex, frame("0800", ipv4(udp(4000, port), { to })));
const attached = () => execFileSync("tc", ["filter", "show", "dev", "lxc7", "ingress"], { encoding: "utf8" });

beforeAll(async () => {
  surroundings = openSurroundings();
  const { pinDirectory } = surroundings;
  const onMapCall = (map: string, operation: string, isOk: boolean) => void calls.add(`${map} ${operation} ${isOk}`);
  datapath = createEbpfDatapath({ pinDirectory, objectPath, onMapCall });
  await datapath.prepareNode(NODE);
  object = loadObject(objectPath, surroundings.pinDirectory);
  ifindex = surroundings.addInterface("lxc7");
  const macs = { mac: "02:00:00:00:00:07", hostMac: "02:00:00:00:01:07" };
  await datapath.addEndpoint({ id: 7, identity: 1001, address: POD, interfaceName: "lxc7", ifindex, ...macs });
  datapath.upsertIpcache("0.0.0.0/0", { identity: 2 });
  const open = entry({ direction: "egress", identity: 2, protocol: 17, port: OPEN, portPrefix: 16 });
  datapath.setPolicy(7, { ...policy([open]), proxyPorts: new Map() });
});
afterAll(() => {
  object?.close();
  datapath?.close();
  surroundings?.close();
});

describe("programs that the kernel does not load", () => {
  const successor = (path: string) => createEbpfDatapath({ pinDirectory: surroundings.pinDirectory, objectPath: path });

  it("are refused in the verifier's words; the programs and policies from before stay as they are", async () => {
    const bytes = readFileSync(objectPath);
    READ_NOTHING.copy(bytes, bytes.indexOf(LOOK_UP));
    const damaged = join(surroundings.pinDirectory, "..", `sgt-damaged-${process.pid}.o`);
    writeFileSync(damaged, bytes);
    const [before, rows] = [attached(), datapath.dumpPolicy(7).length];
    const refused = successor(damaged).prepareNode(NODE);
    await expect(refused.finally(() => rmSync(damaged))).rejects.toThrow(/R0 !read_ok/);
    expect(before).toContain("from_endpoint");
    expect([attached(), datapath.dumpPolicy(7).length]).toEqual([before, rows]);
    expect([send(OPEN), send(CLOSED)]).toEqual([OK, SHOT]);
  });

  it("are missed by name when they are not there", async () => {
    await expect(successor("/nowhere/shieldgate.o").prepareNode(NODE)).rejects.toThrow(
      "datapath: /nowhere/shieldgate.o is missing: run sh scripts/build-bpf.sh",
    );
    expect([send(OPEN), send(CLOSED)]).toEqual([OK, SHOT]);
  });
});

describe("a table without room", () => {
  const other = "172.20.1.11";

  it("refuses an endpoint by its own name: nothing reaches it, nobody else is touched, and it is taken when there is room", async () => {
    const map = object.map("sg_endpoint_by_addr");
    const own = map.get(map.keys()[Symbol.iterator]().next().value as Buffer)!;
    const strangers = Array.from({ length: ROOM - 1 }, (_, index) => {
      const key = Buffer.alloc(16);
      key.writeUInt32BE(index + 1, 12);
      return [key, own] as const;
    });
    map.setAll(strangers);
    const place = { interfaceName: "lxc8", ifindex: surroundings.addInterface("lxc8") };
    const macs = { mac: "02:00:00:00:00:08", hostMac: "02:00:00:00:01:08" };
    const add = () => datapath.addEndpoint({ id: 8, identity: 2, address: other, ...place, ...macs });
    await expect(add()).rejects.toThrow("datapath: write sg_endpoint_by_addr: E2BIG");
    expect([...calls]).toEqual(
      expect.arrayContaining(["sg_endpoint_by_addr update true", "sg_endpoint_by_addr update false"]),
    );
    expect([send(OPEN), send(CLOSED), send(OPEN, other)]).toEqual([OK, SHOT, SHOT]);
    for (const [key] of strangers) map.delete(key);
    await add();
    expect(
      datapath
        .listEndpoints()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([7, 8]);
    datapath.setPolicy(8, { ...policy(ALLOW_ALL, [], false), proxyPorts: new Map() });
    expect([send(OPEN, other), send(CLOSED, other)]).toEqual([REDIRECT, SHOT]);
  });

  it("of policies keeps what the refused endpoint had, says why, and takes the others behind it", async () => {
    const map = object.map("sg_policy");
    const place = { interfaceName: "lxc9", ifindex: surroundings.addInterface("lxc9") };
    const macs = { mac: "02:00:00:00:00:09", hostMac: "02:00:00:00:01:09" };
    await datapath.addEndpoint({ id: 9, identity: 3, address: "172.20.1.12", ...place, ...macs });
    const seven = Buffer.from([7, 0, 0, 0]);
    const inner = Buffer.alloc(4);
    inner.writeInt32LE(bpf.mapFdById(map.get(seven)!.readUInt32LE()));
    const strangers = Array.from({ length: ROOM - [...map.keys()].length }, (_, index) => {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(100_000 + index);
      return [key, inner] as const;
    });
    map.setAll(strangers);
    const closed = entry({ direction: "egress", identity: 2, protocol: 17, port: CLOSED, portPrefix: 16 });
    const only = { ...policy([closed]), proxyPorts: new Map() };
    expect(calls).not.toContain("sg_policy update false");
    const refused = datapath.setPolicies(
      new Map([
        [9, { ...only }],
        [7, { ...only }],
      ]),
    );
    expect([...refused].map(([id, error]) => [id, error.message])).toEqual([
      [9, expect.stringMatching(/^datapath: swap policies: E2BIG/)],
    ]);
    const told = ["sg_policy create true", "sg_policy update true", "sg_policy update false", "sg_policy lookup true"];
    expect([...calls]).toEqual(expect.arrayContaining(told));
    expect([send(OPEN), send(CLOSED), datapath.dumpPolicy(9)]).toEqual([SHOT, OK, []]);
    for (const [key] of strangers.slice(0, 1)) map.delete(key);
    expect([...datapath.setPolicies(new Map([[9, only]]))]).toEqual([]);
    expect(datapath.dumpPolicy(9)).toHaveLength(1);
  });

  it("of services has room for new ones as soon as others are gone", () => {
    const map = object.map("sg_service");
    const strangers = Array.from({ length: SERVICES }, (_, index) => {
      const key = Buffer.alloc(20);
      key.writeUInt32BE(index, 12);
      return [key, Buffer.alloc(16)] as const;
    });
    map.setAll(strangers);
    expect(() => map.set(Buffer.alloc(20, 1), Buffer.alloc(16))).toThrow("datapath: write sg_service: E2BIG");
    const one = { address: "10.96.0.9", port: 80, protocol: 6, type: "ClusterIP", affinitySeconds: 0 } as const;
    const service = { ...one, id: 1, backends: [{ address: POD, port: 8080 }] };
    datapath.setServices([service]);
    expect(datapath.listServices()).toEqual([service]);
  });
});
