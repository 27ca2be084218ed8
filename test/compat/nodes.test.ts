/** Nodes come and go while a lab works: nothing of the others is disturbed, and nothing of them is left. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab, type Watch } from "../support/lab.ts";

const SERVER = `command: [sh, -c, "cd /tmp; echo hello > index.html; exec busybox httpd -f -p 8080"]`;
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: guests }
spec:
  endpointSelector: { matchLabels: { app: guest } }
  ingress: [{ fromEndpoints: [{ matchLabels: { app: prober } }], toPorts: [{ ports: [{ port: "8080", protocol: TCP }] }] }]
`;
const pod = (name: string, node: string, more: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec: { nodeName: ${node}, containers: [{ name: c, image: busybox, ${more} }] }
---`;
const OLD = [
  pod("prober", "k8s-w1", "command: [sleep, infinity]"),
  pod("nobody", "k8s-w1", "command: [sleep, infinity]").replace(", labels: { app: nobody }", ""),
  pod("target", "k8s-w2", SERVER),
].join("");
const GUEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: guest }
spec:
  selector: { matchLabels: { app: guest } }
  template:
    metadata: { labels: { app: guest } }
    spec: { containers: [{ name: c, image: busybox, ${SERVER} }] }
`;

describe.each([
  { options: [], ip: 0, name: "IPv4, tunnel" },
  { options: ["--ip-family", "dual", "--routing-mode", "native"], ip: 1, name: "IPv4 and IPv6, native routing" },
])("$name", ({ options, ip }) => {
  const lab = new TestLab(`n${process.pid}-${ip}`);
  const run = `/run/shieldgate/${lab.name}`;
  let probe: Watch;
  let flows: Watch;
  let before: string[];

  const apply = (text: string) => lab.ok(`kubectl apply -f - <<'END'\n${text}\nEND`);
  const ipOf = async (selector: string) => {
    const address = (
      await lab.ok(`kubectl get pod -l app=${selector} -o jsonpath='{.items[0].status.podIPs[${ip}].ip}'`)
    ).trim();
    return address.includes(":") ? `[${address}]` : address;
  };
  const get = async (from: string, to: string, seconds = 3) => {
    const result = await lab.sh(`kubectl exec ${from} -- curl -sg -m ${seconds} http://${await ipOf(to)}:8080/`);
    return result.code === 0 ? result.stdout : result.code;
  };
  const processes = async () =>
    [...(await lab.shieldgate("status")).stdout.matchAll(/^[\w/-]+ +\d+ +running +\d+$/gm)].map(([row]) =>
      row.replace(/ +/g, " "),
    );
  const nodeOfGuest = "kubectl get pod -l app=guest -o jsonpath='{.items[*].spec.nodeName} {.items[*].status.phase}'";
  const settings = join(
    process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"),
    "labs",
    lab.name,
    "settings.json",
  );
  const leftovers = () =>
    [...readdirSync("/run/netns").filter((name) => name.startsWith(`sg-${lab.name}-`)), ...readdirSync(run)]
      .concat(readdirSync(join(run, "bpf")), readdirSync(join(settings, "../bin")))
      .filter((name) => name.includes("w3") || name === "c3");

  beforeAll(async () => {
    await lab.up(...options);
    await apply(`${OLD}${POLICY}`);
    await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
    const url = `http://${await ipOf("target")}:8080/`;
    const loop = `while :; do curl -sg -m 2 -o /dev/null -w "%{http_code}.\\n" ${url}; sleep 0.05; done`;
    probe = lab.watch(`kubectl exec prober -- sh -c '${loop}'`);
    flows = lab.watch("hubble observe -f --label app=guest");
    await probe.until(/200\.\n200\./);
    before = await processes();
  });
  afterAll(() => lab.down().then(() => {}));

  test("a node is added: pods are scheduled to it, policy is in force, flows are seen", async () => {
    const added = await lab.shieldgate("node", "add");
    expect(added.stderr).toBe("");
    expect(added.stdout).toMatch(
      /^node k8s-w3 is Ready after [\d.]+ s: 192\.168\.10\.103[^;]*, pods 172\.20\.3\.0\/24[^;]*; c3 /,
    );
    const daemons = await lab.ok("kubectl get pod -n kube-system --field-selector spec.nodeName=k8s-w3 --no-headers");
    for (const app of ["cilium", "cilium-envoy"]) {
      expect(daemons).toMatch(new RegExp(`^${app}-[a-z0-9]{5} +1/1 +Running `, "m"));
    }
    await lab.ok("kubectl cordon k8s-w1 && kubectl cordon k8s-w2");
    await apply(GUEST);
    await lab.ok("kubectl rollout status deployment/guest --timeout=20s");
    await lab.ok("kubectl uncordon k8s-w1 && kubectl uncordon k8s-w2");
    expect(await lab.ok(nodeOfGuest)).toBe("k8s-w3 Running");
    expect(await get("prober", "guest")).toBe("hello\n");
    expect(await get("deploy/guest", "target")).toBe("hello\n");
    expect(await get("nobody", "guest", 0.5)).toBe(28);
    const dropped = /default\/nobody:\d+ .* default\/guest-\S+:8080 .*DROPPED/;
    await flows.until(/default\/prober:\d+ .* default\/guest-\S+:8080 .*FORWARDED/);
    await flows.until(dropped);
    await lab.eventually("hubble observe --node-name k8s-w3 --label app=guest", dropped);
    expect(await lab.ok("c3 endpoint list")).toContain("k8s:app=guest");
    expect((await lab.shieldgate("node", "list")).stdout).toMatch(/^k8s-w3 +Ready +192\.168\.10\.103/m);
    // none of the others has started again
    expect(await processes()).toEqual(expect.arrayContaining(before));
    expect((await lab.shieldgate("up")).stdout).toContain("is up already: 4 nodes");
  });

  if (ip === 0)
    test("what cannot be a node, or cannot go, is refused with why", async () => {
      const refused = async (...words: string[]) => {
        const { code, stderr } = await lab.shieldgate("node", ...words);
        return [code, stderr];
      };
      expect(await refused("add", "k8s-w1")).toEqual([1, "shieldgate: there is a node k8s-w1 already\n"]);
      expect(await refused("add", "No_Node")).toEqual([1, expect.stringContaining("1 to 15 of a-z")]);
      expect(await refused("remove", "k8s-ctr")).toEqual([
        1,
        expect.stringContaining("runs the control plane and stays"),
      ]);
      expect(await refused("remove", "k8s-w9")).toEqual([
        1,
        expect.stringContaining("the lab has k8s-ctr, k8s-w1, k8s-w2, k8s-w3"),
      ]);
    });

  test("it is removed: its pod comes back elsewhere, nothing of it is left, nobody else lost anything", async () => {
    const removed = await lab.shieldgate("node", "remove", "k8s-w3");
    expect([removed.stderr, removed.stdout]).toEqual(["", expect.stringMatching(/^node k8s-w3 is gone after/)]);
    await lab.eventually(nodeOfGuest, /^k8s-w[12] Running$/);
    expect(await get("prober", "guest")).toBe("hello\n");
    expect(await get("nobody", "guest", 0.5)).toBe(28);
    const guest = (await lab.ok("kubectl get pod -l app=guest -o name")).trim().replace("pod/", "default/");
    await flows.until(new RegExp(`default/prober:\\d+ .* ${guest}:8080 .*FORWARDED`));
    expect(leftovers()).toEqual([]);
    expect(await lab.ok("kubectl get nodes,ciliumnodes,leases,ciliumendpoints,pods -A -o wide")).not.toContain(
      "k8s-w3",
    );
    expect(await lab.ok("c1 bpf ipcache list; c2 bpf ipcache list")).not.toMatch(
      /192\.168\.10\.103|172\.20\.3\.|172:20:3:/,
    );
    expect(
      await lab.ok(`for family in -4 -6; do world ip $family route; ip $family -n sg-${lab.name}-k8s-w1 route; done`),
    ).not.toMatch(/172\.20\.3\.|172:20:3:/);
    expect(await lab.ok("hubble list nodes")).not.toContain("k8s-w3");
    expect((await lab.status()).nodes.map((node) => node.name)).toEqual(["k8s-ctr", "k8s-w1", "k8s-w2"]);
    expect(await processes()).toEqual(before);
    const codes = probe.text.trim().split("\n");
    expect(codes.length).toBeGreaterThan(30);
    expect(codes.filter((code) => code !== "200.")).toEqual([]);
    expect(flows.isRunning).toBe(true);
  });

  if (ip === 0)
    test("`up` completes an addition and a removal that were cut off; a place is used again; a stop keeps the nodes", async () => {
      const three = JSON.parse(readFileSync(settings, "utf8")) as { nodes: string[] };
      writeFileSync(settings, JSON.stringify({ ...three, nodes: [...three.nodes, "w3-again"] }));
      expect((await lab.shieldgate("node", "add")).stderr).toContain("is damaged: bin/shieldgate");
      expect((await lab.shieldgate("up")).stdout).toMatch(/was put right in .*: 4 nodes/);
      expect(await lab.ok("kubectl get nodes")).toMatch(/^w3-again +Ready/m);
      expect(await processes()).toEqual(expect.arrayContaining(before));
      writeFileSync(settings, JSON.stringify({ ...three, leaving: ["", "", "", "w3-again"] }));
      expect((await lab.shieldgate("status")).stdout).toContain("! node w3-again is being removed");
      expect((await lab.shieldgate("up")).stdout).toMatch(/was put right in .*: 3 nodes/);
      expect(leftovers()).toEqual([]);
      expect(await lab.ok("kubectl get nodes")).not.toContain("w3-again");
      expect((await lab.shieldgate("node", "add", "edge")).stdout).toContain("node edge is Ready");
      expect((await lab.shieldgate("stop")).code).toBe(0);
      expect((await lab.shieldgate("start")).stdout).toContain("4 nodes");
      expect((await lab.status()).nodes.at(-1)).toMatchObject({ name: "edge", ip: "192.168.10.103" });
      expect(await get("nobody", "guest", 0.5)).toBe(28);
      expect((await lab.down()).code).toBe(0);
      expect([existsSync(run), existsSync(settings)]).toEqual([false, false]);
    });
});
