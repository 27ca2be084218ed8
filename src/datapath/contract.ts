/** What every datapath must do, run against the one in memory and the one in the kernel. Packets are test/kernel's. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PolicyMapEntry } from "../policy/policy-map.ts";
import type { Datapath, EndpointConfig, NodeConfig, RealizedPolicy } from "./port.ts";

export interface ContractSubject {
  readonly datapath: Datapath;
  /** Makes an interface (or pretends to) and returns its number. */
  addInterface(name: string): number;
  close(): void;
}

/** The node that tests play. */
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

const ENTRY: PolicyMapEntry = {
  direction: "ingress",
  identity: 1001,
  protocol: 6,
  port: 80,
  portPrefix: 16,
  deny: false,
  precedence: 3,
  authType: 0,
  hasOwnAuth: false,
  origin: 0,
};

function realize(entries: PolicyMapEntry[], ports: [string, number][] = []): RealizedPolicy {
  return {
    policy: {
      revision: 5,
      version: 0,
      ingressEnforced: true,
      egressEnforced: false,
      entries,
      redirects: [],
      origins: [[]],
      ingressDefaultOrigin: 0,
      egressDefaultOrigin: -1,
    },
    proxyPorts: new Map(ports),
    cookies: [77],
  };
}

interface UnderTest {
  subject: ContractSubject;
  endpoint: EndpointConfig;
}

function endpointTests(under: UnderTest): void {
  it("wants the node prepared first, and prepares it twice", async () => {
    await expect(under.subject.datapath.addEndpoint(under.endpoint)).rejects.toThrow("prepareNode comes first");
    await under.subject.datapath.prepareNode(NODE);
    await under.subject.datapath.prepareNode(NODE);
  });
  it("adds an endpoint twice and lists it once", async () => {
    await under.subject.datapath.addEndpoint(under.endpoint);
    await under.subject.datapath.addEndpoint(under.endpoint);
    expect(under.subject.datapath.listEndpoints()).toEqual([under.endpoint]);
  });
  it("refuses a policy for an endpoint that is not there", () => {
    expect(() => under.subject.datapath.setPolicy(8, realize([]))).toThrow("there is no endpoint 8");
    const policies = new Map([8, 7].map((id) => [id, realize([ENTRY])]));
    const failures = under.subject.datapath.setPolicies(policies);
    expect([...failures].map(([id, { message }]) => [id, message])).toEqual([
      [8, "datapath: set policy: there is no endpoint 8"],
    ]);
    expect(under.subject.datapath.dumpPolicy(7)).toHaveLength(1);
    under.subject.datapath.setPolicy(7, realize([]));
  });
}

function policyTests(under: UnderTest): void {
  it("shows the policy in force, ranges and redirects included", () => {
    const { datapath } = under.subject;
    expect(datapath.dumpPolicy(7)).toEqual([]);
    const range = { ...ENTRY, identity: 0, port: 8000, portPrefix: 10 };
    const redirect = { ...ENTRY, identity: 0, redirect: "a" };
    const waiting = { ...ENTRY, identity: 2, redirect: "b" };
    const any = { ...ENTRY, direction: "egress" as const, identity: 0, protocol: 0, port: 0, portPrefix: 0 };
    datapath.setPolicy(7, realize([ENTRY, range, redirect, waiting, any], [["a", 15001]]));
    const rows = datapath.dumpPolicy(7);
    const texts = rows.map(({ direction, deny, identity, protocol, port, portPrefix, proxyPort }) =>
      [direction, deny ? "deny" : "allow", identity, protocol, `${port}/${portPrefix}`, proxyPort].join(" "),
    );
    expect(texts.sort()).toEqual([
      "egress allow 0 0 0/0 0",
      "ingress allow 0 6 80/16 15001",
      "ingress allow 0 6 8000/10 0",
      "ingress allow 1001 6 80/16 0",
      "ingress deny 2 6 80/16 0",
    ]);
    expect(rows[0]).toMatchObject({ authType: 0, precedence: 3, cookie: 77, packets: 0, bytes: 0 });
    datapath.setPolicy(7, realize([]));
    expect(datapath.dumpPolicy(7)).toEqual([]);
  });
  it("gives endpoints the same policy without tying them together", async () => {
    const { datapath } = under.subject;
    const interfaceName = "sgt-second";
    const other = { ...under.endpoint, id: 9, address: "172.20.1.99", interfaceName };
    await datapath.addEndpoint({ ...other, ifindex: under.subject.addInterface(interfaceName) });
    const same = realize([ENTRY]);
    expect(datapath.setPolicies(new Map([7, 9].map((id) => [id, same]))).size).toBe(0);
    expect([7, 9].map((id) => datapath.dumpPolicy(id).length)).toEqual([1, 1]);
    datapath.setPolicy(9, realize([]));
    expect([7, 9].map((id) => datapath.dumpPolicy(id).length)).toEqual([1, 0]);
    await datapath.removeEndpoint(9);
    expect(datapath.dumpPolicy(7)).toHaveLength(1);
    datapath.setPolicy(7, realize([]));
  });
  it("keeps the policy when an endpoint's identity changes", async () => {
    under.subject.datapath.setPolicy(7, realize([ENTRY]));
    under.endpoint = { ...under.endpoint, identity: 2002 };
    await under.subject.datapath.addEndpoint(under.endpoint);
    expect(under.subject.datapath.listEndpoints()).toEqual([under.endpoint]);
    expect(under.subject.datapath.dumpPolicy(7)).toHaveLength(1);
  });
}

function auditTests(under: UnderTest): void {
  it("is in audit mode where that was asked for, whatever the policy and the identity become", async () => {
    const { datapath } = under.subject;
    expect([...datapath.auditedEndpoints()]).toEqual([]);
    datapath.setAudit(7, true);
    datapath.setPolicy(7, realize([ENTRY]));
    await datapath.addEndpoint(under.endpoint);
    expect([...datapath.auditedEndpoints()]).toEqual([7]);
    datapath.setAudit(7, false);
    expect([...datapath.auditedEndpoints()]).toEqual([]);
    expect(() => datapath.setAudit(8, true)).toThrow("there is no endpoint 8");
  });
  it("has no connections that nobody opened", () => {
    expect(under.subject.datapath.connections()).toEqual([]);
    expect(under.subject.datapath.flushConnections()).toBe(0);
  });
}

function tableTests(under: UnderTest): void {
  it("keeps an ipcache of prefixes", () => {
    const { datapath } = under.subject;
    datapath.upsertIpcache("172.20.2.9/32", { identity: 1003, tunnel: "192.168.10.102" });
    datapath.upsertIpcache("0.0.0.0/0", { identity: 2 });
    datapath.upsertIpcache("fd00:172::/32", { identity: 1004 });
    datapath.upsertIpcache("::/0", { identity: 10 });
    datapath.upsertIpcache("10.0.0.0/8", { identity: 16777217 });
    datapath.deleteIpcache("10.0.0.0/8");
    datapath.deleteIpcache("10.0.0.0/8");
    expect(datapath.listIpcache()).toEqual(
      new Map([
        ["172.20.2.9/32", { identity: 1003, tunnel: "192.168.10.102" }],
        ["0.0.0.0/0", { identity: 2 }],
        ["fd00:172::/32", { identity: 1004 }],
        ["::/0", { identity: 10 }],
      ]),
    );
  });
  it("names what it cannot take", () => {
    expect(() => under.subject.datapath.upsertIpcache("::ffff:10.0.0.1/128", { identity: 1 })).toThrow(
      "is not an IPv4 or IPv6 prefix",
    );
    expect(() => under.subject.datapath.upsertIpcache("10.0.0.0/40", { identity: 1 })).toThrow(
      "is not an IPv4 or IPv6 prefix",
    );
  });
  it("takes services, and the same again", () => {
    const service = {
      id: 1,
      address: "10.96.0.9",
      port: 80,
      protocol: 6,
      type: "ClusterIP",
      affinitySeconds: 0,
      backends: [{ address: "172.20.1.10", port: 8080 }],
    } as const;
    const other = { ...service, id: 2, address: "192.168.10.101", type: "NodePort", affinitySeconds: 60 } as const;
    const { datapath } = under.subject;
    datapath.setServices([service, other]);
    datapath.setServices([service, other]);
    expect(datapath.listServices()).toEqual([service, other]);
    const moved = { ...other, backends: [{ address: "172.20.1.11", port: 8080 }] };
    datapath.setServices([moved]);
    expect(datapath.listServices()).toEqual([moved]);
    datapath.setServices([]);
    expect(datapath.listServices()).toEqual([]);
  });
}

function lastTests(under: UnderTest): void {
  it("starts and stops delivering events, having lost none", () => {
    const stop = under.subject.datapath.onEvents(() => {});
    stop();
    stop();
    expect(under.subject.datapath.lostEvents()).toBe(0);
  });
  it("removes an endpoint with its policy, twice", async () => {
    await under.subject.datapath.removeEndpoint(7);
    await under.subject.datapath.removeEndpoint(7);
    expect(under.subject.datapath.listEndpoints()).toEqual([]);
    expect(under.subject.datapath.dumpPolicy(7)).toEqual([]);
  });
}

function endpointOn(subject: ContractSubject): EndpointConfig {
  return {
    id: 7,
    identity: 1001,
    address: "172.20.1.10",
    interfaceName: "lxc7",
    ifindex: subject.addInterface("lxc7"),
    mac: "02:00:00:00:00:07",
    hostMac: "02:00:00:00:01:07",
  };
}

/** Declares the tests, which run in this order on one datapath; `open` makes it where it may make devices. */
export function describeDatapath(name: string, open: () => Promise<ContractSubject>): void {
  describe(`datapath contract: ${name}`, () => {
    const under = {} as UnderTest;
    beforeAll(async () => {
      under.subject = await open();
      under.endpoint = endpointOn(under.subject);
    });
    afterAll(() => under.subject?.close());
    endpointTests(under);
    policyTests(under);
    auditTests(under);
    tableTests(under);
    lastTests(under);
  });
}
