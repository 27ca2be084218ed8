/** Real connections between pods of two nodes, in both families, directly and through services, against the engine's verdict on both
 * sides: what policy allows arrives, and nothing else does. A wrong cell is shown with both sides' explanation. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPolicyEngine } from "../../src/agent/index.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { reservedIdentities } from "../../src/model/identity.ts";
import { toLabels } from "../../src/model/label.ts";
import type { ComputedPolicy } from "../../src/policy/computed-policy.ts";
import { explainConnection } from "../../src/policy/explain.ts";
import { inNetns, type Lab, openLab, type Pod } from "./datapath-lab.ts";
import { type MatrixCase, matrixCases } from "./datapath-matrix-cases.ts";
import type { Cell } from "./datapath-matrix-pod.ts";

const PATIENCE_MS = 400;
const PORTS = [80, 81, 5353];
const NUMBERS = { TCP: 6, UDP: 17, ICMP: 1 } as const;
const [ECHO, ECHO6, ICMPV6] = [8, 128, 58];
const script = new URL("datapath-matrix-pod.ts", import.meta.url).pathname;

interface Member {
  readonly pod: Pod;
  readonly labels: ReturnType<typeof toLabels>;
  ask(cells: readonly Cell[]): Promise<readonly boolean[]>;
}

let lab: Lab;
let members: readonly Member[] = [];

/** Opens a lab of two nodes, each with a client and a server. */
async function openMembers(routingMode: "tunnel" | "native"): Promise<void> {
  lab = await openLab({ ipv6: true, routingMode });
  const [one, two] = lab.nodes;
  const specs = [
    { node: one, id: 101, identity: 1001, labels: { app: "client", team: "red" } },
    { node: one, id: 102, identity: 1002, labels: { app: "server", team: "red" } },
    { node: two, id: 103, identity: 1003, labels: { app: "client", team: "blue" } },
    { node: two, id: 104, identity: 1004, labels: { app: "server", team: "blue" } },
  ];
  const made: Member[] = [];
  for (const { node, id, identity, labels } of specs) {
    const pod = await lab.pod(node, id, identity, id - 90);
    inNetns(pod.netns, "sysctl -qw net.ipv4.ping_group_range='0 0'");
    made.push({ pod, labels: labelsOf(labels), ask: await asker(pod) });
  }
  members = made;
  const services = members.flatMap(({ pod }, index) =>
    [
      { address: `10.96.1.${index + 1}`, backend: pod.address },
      { address: `fd00:10:96::1:${index + 1}`, backend: pod.address6 },
    ].map(({ address, backend }, family) => ({
      id: 1 + 2 * index + family,
      address,
      port: 8000,
      protocol: NUMBERS.TCP,
      type: "ClusterIP",
      affinitySeconds: 0,
      backends: [{ address: backend, port: 80 }],
    })),
  );
  for (const node of lab.nodes) await node.call("setServices", services);
}

function labelsOf(labels: Readonly<Record<string, string>>) {
  const own = Object.entries(labels).map(([key, value]) => ({ source: "k8s", key, value }));
  const rest = { "io.kubernetes.pod.namespace": "default", "io.cilium.k8s.policy.cluster": "default" };
  const namespace = { "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "default" };
  return toLabels([
    ...own,
    ...Object.entries({ ...rest, ...namespace }).map(([key, value]) => ({ source: "k8s", key, value })),
  ]);
}

/** Starts the pod's process and resolves when it serves. */
function asker(pod: Pod): Promise<Member["ask"]> {
  const child: ChildProcess = pod.spawn(`${process.execPath} ${script} ${PATIENCE_MS} ${PORTS.join(" ")}`);
  const waiting = new Map<number, (open: readonly boolean[]) => void>();
  let next = 0;
  const ask = (cells: readonly Cell[]) =>
    new Promise<readonly boolean[]>((resolve) => {
      waiting.set(next, resolve);
      child.stdin!.write(`${JSON.stringify({ id: next++, cells })}\n`);
    });
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const { id, open } = JSON.parse(line) as { id: number; open: boolean[] };
      if (id === -1) resolve(ask);
      else waiting.get(id)?.(open);
    });
  });
}

type Policies = ReadonlyMap<Member, ComputedPolicy>;

/** Puts the case's policies in force everywhere. */
async function enforce({ policies }: MatrixCase): Promise<Policies> {
  const engine = createPolicyEngine({ clusterName: "default", isDualStack: true });
  for (const [id, labels] of reservedIdentities(true)) engine.upsertIdentity(id, labels);
  for (const { pod, labels } of members) engine.upsertIdentity(pod.identity, labels);
  for (const object of policies)
    engine.upsertPolicy(`${object.kind}/${object.metadata.name}`, object as unknown as KubeObject);
  const computed = new Map<Member, ComputedPolicy>();
  for (const member of members) {
    const { pod, labels } = member;
    const policy = engine.resolve(pod.id, { identity: pod.identity, labels, namedPorts: [] }) as ComputedPolicy;
    computed.set(member, policy);
    const { revision, version, ingressEnforced, egressEnforced, entries, redirects, origins } = policy;
    const { ingressDefaultOrigin, egressDefaultOrigin } = policy;
    const plain = { revision, version, ingressEnforced, egressEnforced, entries, redirects, origins };
    const wire = { ...plain, ingressDefaultOrigin, egressDefaultOrigin };
    const cookies = origins.map((_, index) => index + 1);
    await pod.node.call("setPolicy", pod.id, { policy: wire, proxyPorts: [], cookies });
  }
  return computed;
}

interface Asked extends Cell {
  readonly to: Member;
  /** Where policy is asked: a service's own address has none. */
  readonly target: number;
  readonly via: string;
}

function cellsOf(from: Member): Asked[] {
  return members.flatMap((to, index) => {
    if (to === from) return [];
    return [to.pod.address, to.pod.address6].flatMap((address): Asked[] => {
      const vip = address.includes(":") ? `fd00:10:96::1:${index + 1}` : `10.96.1.${index + 1}`;
      const direct = { to, address, via: "directly" };
      return [
        ...PORTS.map((port) => ({ ...direct, protocol: "TCP" as const, port, target: port })),
        ...PORTS.map((port) => ({ ...direct, protocol: "UDP" as const, port, target: port })),
        { ...direct, protocol: "ICMP", port: 0, target: address.includes(":") ? ECHO6! : ECHO! },
        { to, address: vip, via: "through its service", protocol: "TCP", port: 8000, target: 80 },
      ];
    });
  });
}

function explained(policies: Policies, from: Member, cell: Asked) {
  const number = cell.protocol === "ICMP" && cell.address.includes(":") ? ICMPV6! : NUMBERS[cell.protocol];
  const side = (member: Member, direction: "ingress" | "egress", identity: number) => ({
    policy: policies.get(member)!,
    query: { direction, identity, protocol: number, port: cell.target },
  });
  return explainConnection(side(from, "egress", cell.to.pod.identity), side(cell.to, "ingress", from.pod.identity));
}

/** How often what should be open and seems closed is asked again: on a busy machine answers may come too late. */
const TRIES = 4;
const REST_MS = 500;

async function answersOf(policies: Policies, from: Member, cells: readonly Asked[]): Promise<readonly boolean[]> {
  const ask = (some: readonly Asked[]) =>
    from.ask(some.map(({ protocol, address, port }) => ({ protocol, address, port })));
  const seen = [...(await ask(cells))];
  for (let tries = 0; tries < TRIES; tries++) {
    const late = cells.filter((cell, index) => !seen[index] && explained(policies, from, cell).verdict === "forwarded");
    if (late.length === 0) break;
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const again = await ask(late);
    late.forEach((cell, index) => {
      seen[cells.indexOf(cell)] = again[index]!;
    });
  }
  return seen;
}

describe.each(["tunnel", "native"] as const)("routing mode %s", { timeout: 60_000 }, (routingMode) => {
  beforeAll(() => openMembers(routingMode), 60_000);
  afterAll(() => lab?.close());

  it.each(matrixCases)("$name", async (one) => {
    const policies = await enforce(one);
    const wrong: string[] = [];
    let open = 0;
    let closed = 0;
    await Promise.all(
      members.map(async (from) => {
        const cells = cellsOf(from);
        const seen = await answersOf(policies, from, cells);
        cells.forEach((cell, index) => {
          const { verdict, egress, ingress } = explained(policies, from, cell);
          const isOpen = seen[index]!;
          if (isOpen) open++;
          else closed++;
          if (isOpen === (verdict === "forwarded")) return;
          const what = `${from.pod.id} -> ${cell.to.pod.id} ${cell.protocol} ${cell.address} ${cell.port} ${cell.via}`;
          wrong.push(`${what}: ${isOpen ? "open" : "closed"}, but ${verdict}: ${egress?.text}; ${ingress?.text}`);
        });
      }),
    );
    expect(wrong).toEqual([]);
    // a case where all is open, or nothing, would say little
    expect([open > 0, closed > 0 || one.isOpen === true], `${open} open, ${closed} closed`).toEqual([true, true]);
  });
});
