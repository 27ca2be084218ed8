import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ALLOW_ALL, entry, eventsOf, type Lab, openLab, type Pod, setPolicy, sleep } from "./datapath-lab.ts";

const UDP = 17;
const TCP = 6;
const REFUSED = 5;
const PORT = 15_053;
const VIP = "10.96.0.10";
const root = new URL("../..", import.meta.url).pathname;
const peer = `${process.execPath} ${root}test/kernel/datapath-dns-peer.ts`;

interface Answer {
  readonly name: string;
  readonly code: number;
  readonly truncated: boolean;
  readonly count: number;
  readonly address: string;
}

let lab: Lab;
let client: Pod; // node 1
let near: Pod; // node 1
let far: Pod; // node 2

const ask = (from: Pod, transport: "udp" | "tcp", server: string, ...names: readonly string[]): Answer[] =>
  JSON.parse(from.run(`${peer} ask ${transport} '${server}' ${names.join(" ")}`).stdout || "[]") as Answer[];
const to53 = (protocol: number) =>
  entry({ direction: "egress", protocol, port: 53, portPrefix: 16, redirect: "dns", precedence: 2 });
const observed = () => client.node.call<{ name: string; endpointId: number; addresses: string[] }[]>("observed");

async function redirect(): Promise<void> {
  await setPolicy(client, [entry({}), entry({ direction: "egress" }), to53(UDP), to53(TCP)], [["dns", PORT]]);
}

beforeAll(async () => {
  lab = await openLab({ ipv6: true });
  const [one, two] = lab.nodes;
  client = await lab.pod(one, 101, 1001, 10);
  near = await lab.pod(one, 102, 1002, 11);
  far = await lab.pod(two, 103, 1003, 12);
  for (const pod of [near, far]) {
    await setPolicy(pod, ALLOW_ALL, [], false);
    pod.spawn(`${peer} serve`);
  }
  const backends = [{ address: far.address, port: 53 }];
  const service = { address: VIP, port: 53, type: "ClusterIP", affinitySeconds: 0, backends };
  await one.call("setServices", [
    { ...service, id: 1, protocol: UDP },
    { ...service, id: 2, protocol: TCP },
  ]);
  await one.call("serveDns", client.id, PORT, ["*.starwars.com"]);
  await setPolicy(client, ALLOW_ALL, [], false);
  for (let tries = 0; tries < 50; tries++) {
    if ([near, far].every((pod) => ask(client, "tcp", pod.address, "up.example").length === 1)) break;
    await sleep(100);
  }
});
afterAll(() => lab?.close());
beforeEach(async () => {
  await redirect();
  await observed();
});

describe.each([
  ["a server of the same node", () => near.address],
  ["a server of another node", () => far.address],
  ["a service", () => VIP],
  ["IPv6, the same node", () => near.address6],
  ["IPv6, another node", () => far.address6],
])("questions to %s", (_, server) => {
  it.each(["udp", "tcp"] as const)("over %s are judged, the others asked in the pod's name", async (transport) => {
    const answers = ask(client, transport, server(), "jobs.starwars.com", "evil.org", "a.starwars.com");
    const byName = new Map(answers.map((answer) => [answer.name, answer]));
    expect([...byName.keys()].sort()).toEqual(["a.starwars.com", "evil.org", "jobs.starwars.com"]);
    expect(byName.get("evil.org")).toMatchObject({ code: REFUSED, count: 0 });
    // The server answers with the address that it saw.
    const seen = server().includes(":") ? "IPv6" : client.address;
    expect(byName.get("jobs.starwars.com")).toMatchObject({ code: 0, count: 1, address: seen });
    expect((await observed()).map(({ name, endpointId }) => `${endpointId} ${name}`).sort()).toEqual([
      `${client.id} a.starwars.com.`,
      `${client.id} jobs.starwars.com.`,
    ]);
  });
});

describe("a redirect of UDP", () => {
  it("cuts answers that fit no packet; over TCP they come whole", () => {
    expect(ask(client, "udp", far.address, "big.starwars.com")).toMatchObject([{ truncated: true, count: 0 }]);
    expect(ask(client, "tcp", far.address, "big.starwars.com")).toMatchObject([{ truncated: false, count: 200 }]);
  });
  it("is told as one", async () => {
    await client.node.call("events");
    ask(client, "udp", far.address, "jobs.starwars.com");
    const seen = await eventsOf(client.node, (event) => event.dport === 53 && event.protocol === UDP);
    expect(seen.find(({ type }) => type === 5)).toMatchObject({ direction: 2, verdict: PORT, src: 1001, dst: 1003 });
    expect(seen.find(({ type, subtype }) => type === 4 && subtype === 1)).toMatchObject({ endpoint: client.id });
  });
  it("has the server's ingress judged for the pod's identity", async () => {
    await setPolicy(far, [entry({ identity: 1002 })]);
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toEqual([]);
    await setPolicy(far, [entry({ identity: 1001 })]);
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toHaveLength(1);
    await setPolicy(far, ALLOW_ALL, [], false);
  });
  it("leaves nobody else a way through the proxy's port", async () => {
    const { address } = client.node.config;
    expect(ask(near, "udp", `${address}#${PORT}`, "jobs.starwars.com")).toEqual([]);
    expect(ask(near, "tcp", `${address}#${PORT}`, "jobs.starwars.com")).toEqual([]);
    expect(await observed()).toEqual([]);
  });
  it("drops while the proxy is away, and answers again when it is back", async () => {
    await client.node.call("closeDns");
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toEqual([]);
    expect(ask(client, "tcp", far.address, "jobs.starwars.com")).toEqual([]);
    await client.node.call("serveDns", client.id, PORT, ["*.starwars.com"]);
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toHaveLength(1);
  });
  it("tells another program at the proxy's port no question", async () => {
    await client.node.call("closeDns");
    const script = `require("dgram").createSocket("udp4").bind(${PORT}, () => console.log("bound")).on("message", () => console.log("heard"))`;
    const stranger = spawn("nsenter", [`--net=/run/netns/${client.node.netns}`, process.execPath, "-e", script]);
    let said = "";
    stranger.stdout.on("data", (chunk) => {
      said += chunk;
    });
    await once(stranger.stdout, "data");
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toEqual([]);
    const { address } = client.node.config;
    near.run(
      `${process.execPath} -e 'const s = require("dgram").createSocket("udp4"); s.send("x", ${PORT}, "${address}", () => s.close())'`,
    );
    for (let tries = 0; said === "bound\n" && tries < 50; tries++) await sleep(20);
    expect(said, "it hears who calls it by its own address").toBe("bound\nheard\n");
    stranger.kill();
    await once(stranger, "close");
    await client.node.call("serveDns", client.id, PORT, ["*.starwars.com"]);
    expect(ask(client, "udp", far.address, "jobs.starwars.com")).toHaveLength(1);
  });
});
