import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NODES } from "../model/addresses.ts";
import { isAlive, startTicks } from "../runtime/process/process-table.ts";
import { isMounted } from "./bpffs.ts";
import { cgroupRoot } from "./cgroup.ts";
import { envLines, programs, quote } from "./env.ts";
import { systemManifests } from "./manifests.ts";
import { fabricLines, nodeLines } from "./network.ts";
import { labPaths } from "./paths.ts";
import { processSpecs } from "./processes.ts";
import { progressOf } from "./readiness.ts";
import { backOffMs } from "./supervisor.ts";

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
  const lines = fabricLines("one", NODES);
  for (const node of NODES) {
    expect(lines).toContain(`link add ${node.name} type veth peer name eth0 netns sg-one-${node.name}`);
    expect(lines).toContain(`route add ${node.podCidr} via ${node.address} dev fabric`);
    expect(nodeLines(node)).toContain(`addr add ${node.address}/24 dev eth0`);
  }
});

test("every process is started in its namespace, and agents and proxies see their node's directory as /run/cilium", () => {
  const specs = processSpecs(labPaths("one"), { apiServer: 6443, relay: 4245 }, "/proc/1/ns/net");
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

test("a process that ends at once is started again at once, then ever later, up to 5 s", () => {
  expect([1, 2, 3, 4, 20].map(backOffMs)).toEqual([0, 50, 100, 200, 5000]);
});

describe("the programs of a lab", () => {
  test("carry their kubeconfig and relay, and need no variable", () => {
    const all = programs(labPaths("one"), 4999);
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
    expect(progressOf(nodes, [...pods, dns], 0)).toEqual({ waitingFor: [], starting: [] });
  });

  test("names each thing that is missing", () => {
    const notReady = object("k8s-w1", { conditions: [{ type: "Ready", status: "False" }] });
    expect(progressOf([nodes[0]!, notReady, nodes[2]!], [...pods, dns], 0).waitingFor).toEqual([
      "node k8s-w1 to be Ready",
    ]);
    expect(progressOf(nodes, [...pods.slice(1), dns], 0).waitingFor).toEqual(["pods of cilium: 2 of 3 ready"]);
    expect(progressOf([], [], 0).waitingFor).toHaveLength(NODES.length + 3);
  });

  test("does not believe what was written before the lab was started again", () => {
    const old = object("dns", container({ running: { startedAt: "2026-01-01T00:00:00Z" } }), "kube-dns");
    const startedAt = Date.parse("2026-01-01T00:00:05.7Z");
    expect(progressOf(nodes, [...pods, old], startedAt).waitingFor).toEqual([
      "pods of kube-dns: 0 of 1 ready",
      "pod n/dns to start again",
    ]);
    const same = object("dns", container({ running: { startedAt: "2026-01-01T00:00:05Z" } }), "kube-dns");
    expect(progressOf(nodes, [...pods, same], startedAt).waitingFor).toEqual([]);
  });

  test("knows pods that are being made from pods that cannot be", () => {
    const made = object("x", container({ waiting: { reason: "ContainerCreating" } }));
    const broken = object("y", container({ waiting: { reason: "ImagePullBackOff" } }));
    expect(progressOf(nodes, [...pods, dns, made, broken], 0)).toEqual({
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
