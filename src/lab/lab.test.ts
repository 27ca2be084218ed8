import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labNode } from "../model/addresses.ts";
import { isAlive, startTicks } from "../runtime/process/process-table.ts";
import { buildStamp, isOutdated } from "./build-stamp.ts";
import { cgroupRoot } from "./cgroup.ts";
import { kubeletNodes } from "./configuration.ts";
import { envLines, programs, quote } from "./env.ts";
import { isMounted } from "./file-systems.ts";
import { systemManifests } from "./manifests.ts";
import { fabricLines, fabricSysctls, linkLines, nodeLines } from "./network.ts";
import { labPaths } from "./paths.ts";
import { processSpecs } from "./processes.ts";
import { progressOf, unservedNodes } from "./readiness.ts";
import {
  chooseSettings,
  DEFAULTS,
  parseHostPort,
  parseIpFamily,
  parseRoutingMode,
  readSettings,
  writeSettings,
} from "./settings.ts";
import { type MachineStatus, printStatus } from "./status.ts";
import { backOffMs } from "./supervisor.ts";

const NODES = DEFAULTS.nodes;
const DUAL = { ...DEFAULTS, ipFamily: "dual" } as const;
let home = "";
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "shieldgate-lab-"));
  process.env["SHIELDGATE_HOME"] = home;
});
afterAll(() => rmSync(home, { recursive: true }));

describe("paths", () => {
  test("are all of the lab's name and home", () => {
    const paths = labPaths("one");
    expect(paths.kubeconfig).toBe(join(home, "labs/one/kubeconfig"));
    expect(paths.run).toBe("/run/shieldgate/one");
    expect(paths.root.endsWith("/src")).toBe(false);
  });

  test.each(["", "../x", "A", "-a", "a-", "a".repeat(21), "a b", "a/b"])("refuse the name %j", (name) => {
    expect(() => labPaths(name)).toThrow(/--name/);
  });
});

test("the network: each node has its end of the fabric, and the fabric the way to its pods", () => {
  expect(fabricLines("ipv4")).toContain("link add fabric address 0a:58:c0:a8:0a:01 type bridge forward_delay 0");
  for (const [place, node] of NODES.entries()) {
    const lines = linkLines("one", node, "ipv4");
    const address = `0a:58:c0:a8:0a:${(100 + place).toString(16)}`;
    expect(lines).toContain(
      `link add dev ${node.name} type veth peer name eth0 address ${address} netns sg-one-${node.name}`,
    );
    expect(lines).toContain(`route add ${node.podCidr} via ${node.address} dev fabric`);
    expect(nodeLines(node, "ipv4")).toContain(`addr add ${node.address}/24 dev eth0`);
  }
});

test("a build is told from the one before, not from itself", () => {
  const root = mkdtempSync(join(home, "build-"));
  expect(buildStamp(root)).toBe("");
  mkdirSync(join(root, "dist"));
  writeFileSync(join(root, "dist/agent.mjs"), "1");
  const first = buildStamp(root);
  writeFileSync(join(root, "dist/agent.mjs.map"), "no program");
  expect(buildStamp(root)).toBe(first);
  writeFileSync(join(root, "dist/agent.mjs"), "12");
  expect(buildStamp(root)).not.toBe(first);
  const { pid } = process;
  const record = { pid, startTicks: startTicks(pid)!, startedAtMs: 0, restarts: 0, logPath: "" };
  const paths = { ...labPaths("one"), root };
  expect(isOutdated(paths, record)).toBe(true);
  expect(isOutdated(paths, { ...record, build: buildStamp(root) })).toBe(false);
  expect(isOutdated(paths, { ...record, startTicks: "1" })).toBe(false);
});

const SIX = /:[0-9a-f]*:|ipv6|cidr6|address6/;

test("a lab of IPv4 has nothing of IPv6 but what the machine has", () => {
  const paths = labPaths("one");
  const specs = processSpecs(paths, { apiServer: 6443, relay: 4245 }, "/proc/1/ns/net", DEFAULTS);
  const texts = [
    ...fabricLines("ipv4"),
    ...NODES.flatMap((node) => [...linkLines("one", node, "ipv4"), ...nodeLines(node, "ipv4")]),
    ...fabricSysctls("ipv4"),
    ...specs.flatMap(({ argv }) => argv),
    ...kubeletNodes(paths, DEFAULTS).flatMap((node) => [...Object.keys(node), ...Object.values(node).map(String)]),
  ];
  // hardware addresses have colons too
  expect(texts.filter((line) => SIX.test(line.replace(/address \S+/, "")))).toEqual([]);
});

test("a lab of both families has the ways and the world of each, and tells every part of it", () => {
  const paths = labPaths("one");
  const fabric = fabricLines("dual");
  const isSix = (line: string) => SIX.test(line.replace(/address \S+/, ""));
  expect(fabric.filter(isSix)).toEqual([
    "addr add fd00:192:168:10::1/64 dev fabric nodad",
    "route add local ::/0 dev lo table main",
  ]);
  expect(fabric.filter((line) => !isSix(line))).toEqual(fabricLines("ipv4"));
  expect(fabricSysctls("dual")).toEqual(
    expect.arrayContaining(["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.ip_nonlocal_bind=1"]),
  );
  const specs = processSpecs(paths, { apiServer: 6443, relay: 4245 }, "/proc/1/ns/net", DUAL);
  const argv = (name: string) => specs.find((spec) => spec.name === name)!.argv.join(" ");
  expect(argv("control-plane")).toContain("--service-cidr 10.96.0.0/16,fd00:10:96::/112");
  expect(argv("world")).toContain("httpd -f -p [::]:80 ");
  for (const [index, node] of NODES.entries()) {
    expect(linkLines("one", node, "dual")).toContain(`route add ${node.podCidr6} via ${node.address6} dev fabric`);
    expect(nodeLines(node, "dual")).toEqual([
      ...["link set lo up", `addr add ${node.address}/24 dev eth0`, `addr add ${node.address6}/64 dev eth0 nodad`],
      ...["link set eth0 up", "route add default via 192.168.10.1 dev eth0"],
      "route add ::/0 via fd00:192:168:10::1 dev eth0",
    ]);
    expect(argv(`${node.name}/agent`)).toContain(`--address6 ${node.address6} --pod-cidr6 ${node.podCidr6}`);
    expect(kubeletNodes(paths, DUAL)[index]).toMatchObject({ address6: node.address6, podCidr6: node.podCidr6 });
  }
});

describe("the settings of a lab", () => {
  test("are kind's and Cilium's words, and what is not supported says what to do", () => {
    expect([parseIpFamily("ipv4"), parseIpFamily("dual")]).toEqual(["ipv4", "dual"]);
    expect(() => parseIpFamily("ipv6")).toThrow(/IPv6 alone is not supported: use dual/);
    for (const other of ["", "IPv4", "both"]) expect(() => parseIpFamily(other)).toThrow(/use ipv4 or dual/);
    expect([parseRoutingMode("tunnel"), parseRoutingMode("native")]).toEqual(["tunnel", "native"]);
    for (const other of ["", "vxlan"]) expect(() => parseRoutingMode(other)).toThrow(/use tunnel or native/);
  });

  test("name ports of the machine's loopback, of TCP alone, and not the world's own", () => {
    expect(parseHostPort("5432", parseHostPort("8080", [5432]))).toEqual([5432, 8080]);
    for (const [text, said] of [
      ["53/udp", "only TCP"],
      ["80", "let the machine's server listen at another"],
      ["0", "is no port"],
      ["65536", "is no port"],
      ["x", "is no port"],
    ] as const)
      expect(() => parseHostPort(text)).toThrow(said);
    const paths = labPaths("out");
    const ports = { apiServer: 6443, relay: 4245 };
    const names = (hostPorts: readonly number[]) =>
      processSpecs(paths, ports, "/proc/1/ns/net", { ...DUAL, hostPorts }).map((spec) => spec.name);
    expect([names([]).includes("host-ports"), names([5432]).includes("host-ports")]).toEqual([false, true]);
    mkdirSync(paths.state, { recursive: true });
    writeSettings(paths, { ...DEFAULTS, hostPorts: [5432] });
    expect(chooseSettings(paths, {}).hostPorts).toEqual([5432]);
    expect(chooseSettings(paths, { hostPorts: [1] }).hostPorts).toEqual([1]);
  });

  test("are kept while the lab exists, and others are refused with the mend", () => {
    const paths = labPaths("kept");
    expect([readSettings(paths), chooseSettings(paths, {})]).toEqual([undefined, DEFAULTS]);
    expect(chooseSettings(paths, { ipFamily: "dual" })).toEqual(DUAL);
    mkdirSync(paths.state, { recursive: true });
    // a lab from before there was a choice
    expect(readSettings(paths)).toEqual(DEFAULTS);
    writeFileSync(paths.settings, '{"ipFamily": "dual"}');
    expect(readSettings(paths)).toEqual(DUAL);
    const settings = { ...DUAL, routingMode: "native", nodes: [NODES[0]!, labNode("extra", 3)] } as const;
    writeSettings(paths, settings);
    expect(chooseSettings(paths, {})).toEqual(settings);
    expect(chooseSettings(paths, { ipFamily: "dual", routingMode: "native" })).toEqual(settings);
    expect(() => chooseSettings(paths, { ipFamily: "ipv4" })).toThrow(
      "lab kept exists with --ip-family dual, which cannot be changed: `bin/shieldgate --name kept down` deletes it and its objects, then `bin/shieldgate --name kept up --ip-family ipv4` makes it anew",
    );
    expect(() => chooseSettings(paths, { routingMode: "tunnel" })).toThrow("exists with --routing-mode native");
  });

  test("is shown where it is not the usual one", () => {
    const at = (ip6?: string) => ({
      namespace: "n",
      name: "p",
      node: "k8s-w1",
      ip: "172.20.1.5",
      pid: 7,
      ...(ip6 ? { ip6 } : {}),
    });
    const show = (machine: Partial<MachineStatus>) =>
      printStatus(labPaths("one"), {
        machine: { controlPlane: { pid: 1 }, nodes: [], pods: [], memoryPssBytes: 0, problems: [], ...machine },
        processes: [],
        problems: [],
      });
    expect(show({ pods: [at()] })).toMatch(/^lab one: everything runs\n[\s\S]*k8s-w1 {2}172\.20\.1\.5\n/);
    expect(show({ ipFamily: "dual", pods: [at("fd00::5")] })).toMatch(
      /^lab one, IPv4 and IPv6: everything runs\n[\s\S]*k8s-w1 {2}172\.20\.1\.5,fd00::5\n/,
    );
  });
});

test("every process is started in its namespace, and agents and proxies see their node's directory as /run/cilium", () => {
  const specs = processSpecs(labPaths("one"), { apiServer: 6443, relay: 4245 }, "/proc/1/ns/net", DEFAULTS);
  expect(specs.map((spec) => spec.name)).toEqual([
    "control-plane",
    "kubelet",
    "relay",
    "world",
    ...NODES.flatMap((node) => [`${node.name}/agent`, `${node.name}/proxy`]),
  ]);
  for (const node of NODES) {
    for (const part of ["agent", "proxy"]) {
      const text = specs.find((spec) => spec.name === `${node.name}/${part}`)!.argv.join(" ");
      expect(text).toContain(`--net=/run/netns/sg-one-${node.name}`);
      expect(text).toContain(`mount --bind /run/shieldgate/one/${node.name}/cilium /run/cilium`);
    }
  }
});

test("the API server and the kubelet, which policies and pods go through, come before pods; nothing that traffic goes through or is counted by does", () => {
  const specs = processSpecs(labPaths("one"), { apiServer: 6443, relay: 4245 }, "/proc/1/ns/net", DEFAULTS);
  const before = specs.filter(({ nice }) => nice !== undefined && nice < 0).map(({ name }) => name);
  expect(before).toEqual(["control-plane", "kubelet"]);
});

test("a process that ends at once is started again at once, then ever later, up to 5 s", () => {
  expect([1, 2, 3, 4, 20].map(backOffMs)).toEqual([0, 50, 100, 200, 5000]);
});

describe("the programs of a lab", () => {
  test("carry their kubeconfig and relay, and need no variable", () => {
    const all = programs(labPaths("one"), 4999, NODES);
    expect([...all.keys()]).toEqual(["kc", "world", "hubble", "c0", "c1", "c2"]);
    expect(all.get("world")).toBe('exec nsenter --net=/run/netns/sg-one-fabric "$@"');
    expect(all.get("hubble")).toContain("127.0.0.1:4999");
    expect(all.get("c1")).toContain("spec.nodeName=k8s-w1");
    for (const name of ["kc", "c0"]) expect(all.get(name)).toContain(labPaths("one").kubeconfig);
  });

  test("quote what sh would take apart", () => {
    expect(quote("/a/b-c_d.1")).toBe("/a/b-c_d.1");
    expect(quote("a b'c")).toBe("'a b'\\''c'");
    expect(envLines(labPaths("one"))).toMatch(/^export KUBECONFIG=.*\nexport PATH=.*:"\$PATH"\n$/);
  });
});

describe("readiness", () => {
  const ready = { conditions: [{ type: "Ready", status: "True" }] };
  const object = (name: string, status: unknown, app = "") => ({
    apiVersion: "v1",
    kind: "X",
    metadata: { name, namespace: "n", labels: { "k8s-app": app } },
    status,
  });
  const nodes = NODES.map((node) => object(node.name, ready));
  const pods = NODES.flatMap((node) => [
    object(`a-${node.name}`, ready, "cilium"),
    object(`p-${node.name}`, ready, "cilium-envoy"),
  ]);
  const dns = object("dns", ready, "kube-dns");
  const container = (state: unknown) => ({ ...ready, containerStatuses: [{ state }] });

  test("is there when nodes, agents, proxies and DNS are", () => {
    expect(progressOf(NODES, nodes, [...pods, dns], 0)).toEqual({ waitingFor: [], starting: [] });
  });

  test("wants to hear each node's kubelet after its last start", () => {
    const lease = (name: string, renewTime: string) => ({ ...object(name, {}), spec: { renewTime } });
    const at = "2026-11-27T10:00:00.500000Z";
    const leases = NODES.map(({ name }) => lease(name, at));
    expect(unservedNodes(NODES, leases, Date.parse(at))).toEqual([]);
    expect(unservedNodes(NODES, leases, Date.parse(at) + 1)).toHaveLength(3);
    expect(unservedNodes(NODES, leases.slice(1), 0)).toEqual(["node k8s-ctr to be served by its kubelet"]);
    expect(unservedNodes(NODES, leases, undefined)).toHaveLength(3);
  });

  test("names each thing that is missing", () => {
    const notReady = object("k8s-w1", { conditions: [{ type: "Ready", status: "False" }] });
    expect(progressOf(NODES, [nodes[0]!, notReady, nodes[2]!], [...pods, dns], 0).waitingFor).toEqual([
      "node k8s-w1 to be Ready",
    ]);
    expect(progressOf(NODES, nodes, [...pods.slice(1), dns], 0).waitingFor).toEqual(["pods of cilium: 2 of 3 ready"]);
    expect(progressOf(NODES, [], [], 0).waitingFor).toHaveLength(NODES.length + 3);
  });

  test("does not believe what was written before the lab was started again", () => {
    const old = object("dns", container({ running: { startedAt: "2026-01-01T00:00:00Z" } }), "kube-dns");
    const startedAt = Date.parse("2026-01-01T00:00:05.7Z");
    expect(progressOf(NODES, nodes, [...pods, old], startedAt).waitingFor).toEqual([
      "pods of kube-dns: 0 of 1 ready",
      "pod n/dns to start again",
    ]);
    const same = object("dns", container({ running: { startedAt: "2026-01-01T00:00:05Z" } }), "kube-dns");
    expect(progressOf(NODES, nodes, [...pods, same], startedAt).waitingFor).toEqual([]);
  });

  test("knows pods that are being made from pods that cannot be", () => {
    const made = object("x", container({ waiting: { reason: "ContainerCreating" } }));
    const broken = object("y", container({ waiting: { reason: "ImagePullBackOff" } }));
    expect(progressOf(NODES, nodes, [...pods, dns, made, broken], 0)).toEqual({
      waitingFor: [],
      starting: ["pod n/x to start"],
    });
  });
});

test("the DNS service has the fixed address, and its pods the label that Cilium users know", () => {
  const manifests = systemManifests("0.1.0", "{}");
  const named = (kind: string, name: string) => manifests.find((m) => m.kind === kind && m.metadata.name === name);
  expect(named("Service", "kube-dns")).toMatchObject({
    spec: { clusterIP: "10.96.0.10", selector: { "k8s-app": "kube-dns" } },
  });
  expect(named("Deployment", "coredns")).toMatchObject({
    spec: { template: { metadata: { labels: { "k8s-app": "kube-dns" } } } },
  });
  expect(named("ConfigMap", "cilium-envoy-config")).toMatchObject({ data: { "bootstrap-config.json": "{}" } });
});

test("a pid counts as alive only with the start time that was recorded", () => {
  const record = { pid: process.pid, startTicks: startTicks(process.pid)!, startedAtMs: 0, restarts: 0, logPath: "" };
  expect(isAlive(record)).toBe(true);
  expect(isAlive({ ...record, startTicks: "1" })).toBe(false);
  expect(isAlive(undefined)).toBe(false);
});

test("mounts are read from mountinfo", () => {
  const hybrid =
    "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n";
  expect(cgroupRoot(hybrid)).toBe("/sys/fs/cgroup/unified");
  expect(cgroupRoot("31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw\n")).toBeUndefined();
  expect(isMounted("/sys/fs/cgroup/cpu", hybrid)).toBe(true);
  expect(isMounted("/sys/fs/cgroup", hybrid)).toBe(false);
});
