import { NODE } from "../src/datapath/contract.ts";
import type { Datapath } from "../src/datapath/port.ts";
import { entry, policy } from "../test/kernel/datapath-lab.ts";
import { frame, ipv4, OK, POD, runOften, udp } from "../test/kernel/datapath-packets.ts";
import { openNode } from "../test/kernel/datapath-surroundings.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 9;
const PACKETS = 200_000;
/** Flat as tables grow: at most so much more than with one entry. */
const FLAT = 1.5;
const PEER = 5_000;
const PORT = 53;
const UDP = 17;

/** Nanoseconds of the program at a pod's veth for a packet of a known connection, as the tables that it looks into grow. */
export async function measurePackets(): Promise<Row[]> {
  const node = await openNode(NODE);
  const { datapath, object } = node;
  try {
    const ifindex = await node.addPod({ id: 7, identity: 1001, address: POD });
    datapath.upsertIpcache("203.0.113.0/24", { identity: PEER });
    const packet = frame("0800", ipv4(udp(4000, PORT), { to: "203.0.113.9", protocol: UDP }));
    const measure = () => {
      const rounds = Array.from({ length: ROUNDS }, () => runOften(object, "from_endpoint", ifindex, packet, PACKETS));
      if (rounds.some(({ result }) => result !== OK)) throw new Error("the packet was not let through");
      return rounds.map(({ nanoseconds }) => nanoseconds);
    };
    const rows: Row[] = [];
    for (const size of [1, 100, 1_000, 10_000]) {
      datapath.setPolicy(7, { ...policy(entriesOf(size)), proxyPorts: new Map() });
      rows.push(rowOf("policy entries", size, measure(), rows[0]));
    }
    const first = rows.length;
    for (const size of [1, 1_000, 100_000]) {
      growIpcache(datapath, size);
      rows.push(rowOf("ipcache entries", size, measure(), rows[first]));
    }
    const services = [1, 1_000, 10_000];
    const before = rows.length;
    for (const size of services) {
      datapath.setServices(servicesOf(size));
      rows.push(rowOf("services", size, measure(), rows[before]));
    }
    return rows;
  } finally {
    node.close();
  }
}

function rowOf(table: string, size: number, nanoseconds: readonly number[], first: Row | undefined): Row {
  const ours = median(nanoseconds);
  const base = first === undefined ? ours : median(first.raw as number[]);
  return {
    what: `a packet at the veth, ${size} ${table}`,
    ours: `${ours} ns`,
    ...(first === undefined ? {} : { against: `with 1: ${base} ns`, ratio: ours / base }),
    target: first === undefined ? "a first figure" : `${FLAT}`,
    reached: ours / base <= FLAT,
    raw: nanoseconds,
  };
}

/** One entry lets the packet through; the others are other peers' and ports'. */
function entriesOf(size: number) {
  const one = { direction: "egress", protocol: UDP, portPrefix: 16 } as const;
  return Array.from({ length: size }, (_, index) =>
    index === 0
      ? entry({ ...one, identity: PEER, port: PORT })
      : entry({ ...one, identity: PEER + (index % 500), port: 1_000 + Math.floor(index / 500) }),
  );
}

function growIpcache(datapath: Datapath, size: number): void {
  for (let index = 1; index < size; index++)
    datapath.upsertIpcache(`20.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`, { identity: 10_000 + index });
}

function servicesOf(size: number) {
  return Array.from({ length: size }, (_, index) => ({
    id: index + 1,
    address: `10.96.${index >> 8}.${index & 255}`,
    port: 80,
    protocol: UDP,
    type: "ClusterIP" as const,
    affinitySeconds: 0,
    backends: [{ address: "172.20.1.20", port: 8080 }],
  }));
}
