import { NODE } from "../src/datapath/contract.ts";
import type { LoadedObject } from "../src/datapath/ebpf/object.ts";
import { entry, policy } from "../test/kernel/datapath-lab.ts";
import { frame, ipv4, REDIRECT, runOften } from "../test/kernel/datapath-packets.ts";
import { openNode } from "../test/kernel/datapath-surroundings.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const CONNECTIONS = 3_000;
const [CLIENT, SERVER] = ["172.20.1.10", "172.20.1.11"];
const PORT = 7000;
const TCP = 6;
const ENTRIES = 100;
/** After so many connections the reader of events has a turn: a full ring would make them cheaper. */
const TURN = 100;

/** What goes between two pods: who sends it, and its TCP flags. The answer to a request carries the acknowledgement of it. */
const PACKETS = [
  { what: "SYN", from: CLIENT, flags: "02" },
  { what: "SYN-ACK", from: SERVER, flags: "12" },
  { what: "ACK", from: CLIENT, flags: "10" },
  { what: "request", from: CLIENT, flags: "18" },
  { what: "its acknowledgement", from: SERVER, flags: "10" },
  { what: "answer", from: SERVER, flags: "18" },
  { what: "its acknowledgement", from: CLIENT, flags: "10" },
  { what: "RST", from: CLIENT, flags: "14" },
] as const;

function packetOf({ from, flags }: (typeof PACKETS)[number], clientPort: number): Buffer {
  const isClient = from === CLIENT;
  const ports = (isClient ? [clientPort, PORT] : [PORT, clientPort]).map((port) => port.toString(16).padStart(4, "0"));
  const segment = `${ports.join("")}000000000000000050${flags}ffff00000000`;
  const to = isClient ? SERVER : CLIENT;
  return frame("0800", ipv4(segment, { from, to, protocol: TCP }), isClient ? "020000000007" : "020000000008");
}

const entriesOf = (direction: "ingress" | "egress", peer: number) =>
  Array.from({ length: ENTRIES }, (_, index) =>
    entry({ direction, protocol: TCP, portPrefix: 16, identity: index === 0 ? peer : 5_000 + index, port: PORT }),
  );

/** Nanoseconds of each packet of each connection, in the order of PACKETS; each connection is new, and each packet is run once. */
async function connect(object: LoadedObject, ifindexes: Readonly<Record<string, number>>): Promise<number[][]> {
  const took = PACKETS.map((): number[] => []);
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    for (const [index, packet] of PACKETS.entries()) {
      const bytes = packetOf(packet, 10_000 + connection);
      const { result, nanoseconds } = runOften(object, "from_endpoint", ifindexes[packet.from]!, bytes, 1);
      if (result !== REDIRECT) throw new Error(`${packet.what} was not let through`);
      took[index]!.push(nanoseconds);
    }
    if (connection % TURN === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return took;
}

/**
 * What the program takes for a whole connection between two pods of a node, both policies and all events included. Steadier than
 * connections a second on a machine with other work: the medians hardly move.
 */
export async function measureConnection(): Promise<Row[]> {
  const node = await openNode(NODE);
  try {
    const { datapath, object } = node;
    const client = await node.addPod({ id: 7, identity: 1001, address: CLIENT });
    const server = await node.addPod({ id: 8, identity: 1002, address: SERVER });
    datapath.setPolicy(7, { ...policy(entriesOf("egress", 1002)), proxyPorts: new Map() });
    datapath.setPolicy(8, { ...policy(entriesOf("ingress", 1001)), proxyPorts: new Map() });
    datapath.onEvents(() => undefined);
    const took = (await connect(object, { [CLIENT]: client, [SERVER]: server })).map(median);
    const each = PACKETS.map(({ what }, index) => `${what} ${took[index]}`).join(", ");
    const whole = took.reduce((sum, nanoseconds) => sum + nanoseconds, 0);
    return [
      {
        what: "a new connection, its eight packets, run one by one",
        ours: `${(whole / 1000).toFixed(1)} us (${each})`,
        target: "",
        reached: true,
        raw: took,
      },
    ];
  } finally {
    node.close();
  }
}
