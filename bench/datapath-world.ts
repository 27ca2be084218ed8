/** Where the datapath's matrix is measured: two labs of two nodes, and plain routing beside each way that packets take there. */

import type { ChildProcess } from "node:child_process";
import { Aggregation } from "../src/datapath/port.ts";
import { ALLOW_ALL, entry, type Lab, type LabNode, openLab, type Pod, policy } from "../test/kernel/datapath-lab.ts";
import { type Place, PlainRouting, server } from "./namespaces.ts";

export const PORT = 7000;
export const SERVICE = "10.96.0.10";
const CLIENT_IDENTITY = 1001;
const SERVER_IDENTITY = 1002;
/** Identities that the other entries of a policy are about. */
const OTHERS = 5_000;
const OTHER_IDENTITIES = 500;

/** A client's namespace and the address that it asks. */
export interface Way {
  readonly client: Place;
  readonly address: string;
}

/** Our way and the plain one that it is measured against. */
export interface Ways {
  readonly ours: Way;
  readonly plain: Way;
}

export interface World {
  /** From pod to pod of one node. */
  readonly local: Ways;
  readonly local6: Ways;
  readonly service: Ways;
  /** From pod to pod of another node. */
  readonly vxlan: Ways;
  readonly native: Ways;
  /** Policies of so many entries for every pod; one of them allows the client at the server. 0 = nothing is enforced. */
  setEntries(count: number, protocol: number): Promise<void>;
  /** So many services; one of them, at SERVICE and PORT, has the server as its backend. */
  setServices(count: number, protocol: number): Promise<void>;
  /** Whether a process takes the events from the kernel, and whether every packet makes one. */
  setEvents(options: { readonly read: boolean; readonly every: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** The entry that lets client and server talk, among entries about others. */
function entriesOf(count: number, direction: "ingress" | "egress", protocol: number) {
  const one = { direction, protocol, portPrefix: 16 } as const;
  const peer = direction === "egress" ? SERVER_IDENTITY : CLIENT_IDENTITY;
  return Array.from({ length: count }, (_, index) =>
    index === 0
      ? entry({ ...one, identity: peer, port: PORT })
      : entry({
          ...one,
          identity: OTHERS + (index % OTHER_IDENTITIES),
          port: 1_000 + Math.floor(index / OTHER_IDENTITIES),
        }),
  );
}

function servicesOf(count: number, protocol: number, backend: string) {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    address: index === 0 ? SERVICE : `10.96.${1 + (index >> 8)}.${index & 255}`,
    port: PORT,
    protocol,
    type: "ClusterIP" as const,
    affinitySeconds: 0,
    backends: [{ address: backend, port: PORT }],
  }));
}

interface Members {
  readonly lab: Lab;
  readonly client: Pod;
  readonly servers: readonly Pod[];
}

const placeOf = (pod: Pod): Place => `/run/netns/${pod.netns}`;
const inOrder = async (nodes: readonly LabNode[], call: (node: LabNode) => Promise<unknown>) => {
  for (const node of nodes) await call(node);
};

async function setEntries({ client, servers }: Members, count: number, protocol: number): Promise<void> {
  const of = (direction: "ingress" | "egress") =>
    count === 0 ? policy(ALLOW_ALL, [], false) : policy(entriesOf(count, direction, protocol));
  await client.node.call("setPolicy", client.id, of("egress"));
  for (const pod of servers) await pod.node.call("setPolicy", pod.id, of("ingress"));
}

async function setEvents(node: LabNode, { read, every }: { readonly read: boolean; readonly every: boolean }) {
  await node.call("setAggregation", every ? Aggregation.Low : Aggregation.Medium);
  await node.call(read ? "read" : "unread");
}

/** What was made so far; closed from the last to the first, once. */
class Made {
  #closers: (() => unknown)[] = [];
  #closing: Promise<void> | undefined;

  add<T>(made: T, close: (made: T) => unknown): T {
    this.#closers.push(() => close(made));
    return made;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const close of this.#closers.reverse()) await close();
    })();
    return this.#closing;
  }
}

async function tunnelLab(made: Made): Promise<Members> {
  const lab = made.add(await openLab({ ipv6: true, watched: false }), (one) => one.close());
  const [one, two] = lab.nodes;
  const client = await lab.pod(one, 101, CLIENT_IDENTITY, 10);
  const near = await lab.pod(one, 102, SERVER_IDENTITY, 11);
  return { lab, client, servers: [near, await lab.pod(two, 103, SERVER_IDENTITY, 12)] };
}

async function nativeLab(made: Made): Promise<Members> {
  const lab = made.add(await openLab({ routingMode: "native", watched: false }), (one) => one.close());
  const [one, two] = lab.nodes;
  const client = await lab.pod(one, 104, CLIENT_IDENTITY, 10);
  return { lab, client, servers: [await lab.pod(two, 105, SERVER_IDENTITY, 12)] };
}

function plainRouting(made: Made, part: string, fabric?: string): PlainRouting {
  const plain = made.add(new PlainRouting(`sg-bench-${process.pid}-${part}`, fabric), (one) => one.remove());
  plain.create();
  return plain;
}

async function build(made: Made, traffic: string): Promise<World> {
  const tunnel = await tunnelLab(made);
  const native = await nativeLab(made);
  const plain = plainRouting(made, "near");
  const plainFar = plainRouting(made, "far", tunnel.lab.fabric);
  const plainNative = plainRouting(made, "native", native.lab.fabric);
  const labs = [tunnel, native];
  const servers = [...labs.flatMap(({ servers }) => servers.map(placeOf))];
  for (const place of [...servers, plain.server, plainFar.server, plainNative.server])
    made.add(await server(place, traffic, "server", String(PORT)), (child: ChildProcess) => child.kill("SIGKILL"));
  const [near, far] = tunnel.servers as [Pod, Pod];
  const [farNative] = native.servers as [Pod];
  const ways = (from: Pod, address: string, { client }: PlainRouting, plainAddress = plain.address): Ways => ({
    ours: { client: placeOf(from), address },
    plain: { client, address: plainAddress },
  });
  return {
    local: ways(tunnel.client, near.address, plain),
    local6: ways(tunnel.client, near.address6, plain, plain.address6),
    service: ways(tunnel.client, SERVICE, plain),
    vxlan: ways(tunnel.client, far.address, plainFar),
    native: ways(native.client, farNative.address, plainNative),
    setEntries: (count, protocol) => inOrderOf(labs, (members) => setEntries(members, count, protocol)),
    setServices: (count, protocol) => tunnel.client.node.call("setServices", servicesOf(count, protocol, near.address)),
    setEvents: (options) => inOrderOf(labs, ({ lab }) => inOrder(lab.nodes, (node) => setEvents(node, options))),
    close: () => made.close(),
  };
}

async function inOrderOf(labs: readonly Members[], call: (members: Members) => Promise<void>): Promise<void> {
  for (const members of labs) await call(members);
}

/** Makes it all; what was made is removed when that fails, and when the process is told to end. */
export async function openWorld(traffic: string): Promise<World> {
  const made = new Made();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const end = () => void made.close().then(() => process.exit(1));
    process.once(signal, end);
    made.add(signal, () => process.off(signal, end));
  }
  try {
    return await build(made, traffic);
  } catch (error) {
    await made.close();
    throw error;
  }
}
