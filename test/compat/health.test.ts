/**
 * Nodes ask each other how they are: endpoints with the identity health, what their policies mean, a dead agent, a node less. And who
 * may ask a node for its flows.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HealthReport } from "../../src/health/report.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { TestLab } from "../support/lab.ts";

const lab = new TestLab(`h${process.pid}`);
beforeAll(() => lab.up("--ip-family", "dual").then(() => {}));
afterAll(() => lab.down().then(() => {}));

const agentOn = async (node: string) => (await lab.status()).nodes.find(({ name }) => name === node)!.agent.pid;
const inAgent = (node: string, command: string) =>
  `kubectl exec -n kube-system $(kubectl get pod -n kube-system -l k8s-app=cilium --field-selector spec.nodeName=${node} -o name) -- ${command}`;

/** `nsenter` into the network namespace of a node's health endpoint, which has no name: the agent holds it. */
async function inHealth(node: string): Promise<string> {
  const fds = `/proc/${await agentOn(node)}/fd`;
  const own = readlinkSync(`/proc/${await agentOn(node)}/ns/net`);
  const fd = readdirSync(fds).find((name) => {
    const target = readlinkSync(`${fds}/${name}`);
    return target.startsWith("net:") && target !== own;
  });
  return `nsenter --net=${fds}/${fd}`;
}

test("every node is reached at its addresses and in its health endpoint, in both families", async () => {
  const text = await lab.eventually(
    inAgent("k8s-w1", "cilium-health status"),
    /3\/3 reachable[\s\S]*( 2\/2 +2\/2\n.*){3}/,
  );
  expect(text).toMatch(
    /\(Probe interval: 2m33\.\d+s\)\nName +IP +Node +Endpoints\n {2}k8s-w1 \(localhost\) {3}192\.168\.10\.101,fd00:/,
  );
  const probed = await lab.ok(inAgent("k8s-w2", "cilium-health status --probe -o json"));
  const { nodes, local } = JSON.parse(probed) as HealthReport;
  expect([local.name, nodes.length]).toEqual(["k8s-w2", 3]);
  const paths = nodes.flatMap(({ host, "health-endpoint": health }) =>
    [host, health!].flatMap((status) => [status["primary-address"], ...status["secondary-addresses"]]),
  );
  expect(paths.map(({ icmp, http }) => [icmp?.status, http?.status])).toEqual(paths.map(() => [undefined, undefined]));
  expect(paths).toHaveLength(12);
  expect(await lab.ok("c1 endpoint list")).toMatch(/ 4 +reserved:health +fd00:172:20:1::2 +172\.20\.1\.2 +ready/);
  expect(await lab.ok("kubectl get ciliumnode k8s-w2 -o jsonpath='{.spec.health}'")).toBe(
    '{"ipv4":"172.20.2.2","ipv6":"fd00:172:20:2::2"}',
  );
  expect(await lab.ok("c0 bpf ipcache list")).toMatch(
    /172\.20\.2\.2\/32 +identity=4 .*tunnelendpoint=192\.168\.10\.102/,
  );
});

test("the entity health is who asks from a health endpoint, and nobody else", async () => {
  await lab.ok("kubectl apply -f http-sw-app.yaml && kubectl wait --for=condition=Ready pod --all --timeout=30s");
  const [ip, node] = (
    await lab.ok("kubectl get pod -l class=deathstar -o jsonpath='{.items[0].status.podIP} {.items[0].spec.nodeName}'")
  ).split(" ") as [string, string];
  const other = node === "k8s-w1" ? "k8s-w2" : "k8s-w1";
  const ask = async (from: string) => {
    const result = await lab.sh(`${await inHealth(from)} curl -s -o /dev/null -w '%{http_code}' -m 2 http://${ip}/v1/`);
    return result.code === 0 ? "answer" : result.code;
  };
  const policy = (entity: string) =>
    lab.ok(`kubectl apply -f - <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: entity }
spec: { endpointSelector: { matchLabels: { class: deathstar } }, ingress: [{ fromEntities: [${entity}] }] }
END`);
  await policy("health");
  await lab.eventually(inAgent(node, "cilium policy get"), /fromEntities[\s\S]*health/);
  expect([await ask(node), await ask(other)]).toEqual(["answer", "answer"]);
  expect((await lab.sh(`kubectl exec xwing -- curl -s -m 2 http://${ip}/v1/`)).code).toBe(28);
  await policy("remote-node");
  await lab.eventually(inAgent(node, "cilium policy get"), /fromEntities[\s\S]*remote-node/);
  expect([await ask(node), await ask(other)]).toEqual([28, 28]);
  await lab.ok("kubectl delete cnp entity");
});

const real = oracle("cilium-dbg");
const why = skipNote(real);
test.skipIf("missing" in real)(
  `the real cilium-dbg reads an agent's socket, and ours says the same${why}`,
  async () => {
    const theirs = `CILIUM_SOCK=/run/shieldgate/${lab.name}/k8s-w1/cilium/cilium.sock ${"path" in real ? real.path : ""}`;
    const questions = [
      ...[
        "endpoint list",
        "identity list",
        "identity list --endpoints",
        "ip list -v",
        "ip list -n",
        "node list",
        "nodeid list",
      ],
      ...[
        "service list",
        "policy get",
        "policy selectors",
        "policy wait 1",
        "fqdn cache list",
        "fqdn names",
        "config -a",
      ],
      ...["map get sg_service", "lrp list", "bgp peers", "status --brief"],
      ...["endpoint list -o yaml", "ip list -o json", "service list -o yaml", "config -o jsonpath={.PolicyAuditMode}"],
    ];
    for (const question of questions) {
      const [expected, ours] = await Promise.all([lab.ok(`${theirs} ${question}`), lab.ok(`c1 ${question}`)]);
      expect(ours, question).toBe(expected);
    }
    expect(await lab.ok(`${theirs} status`)).toMatch(
      /Cilium: +Ok[\s\S]*Modules Health: +Stopped\(0\) Degraded\(0\) OK\(\d+\)/,
    );
    const id = (await lab.ok(`${theirs} endpoint list -o 'jsonpath={[?(@.status.identity.id==4)].id}'`)).trim();
    await lab.ok(`${theirs} endpoint config ${id} PolicyAuditMode=true`);
    expect(await lab.ok(`c1 endpoint config ${id}`)).toBe("PolicyAuditMode                   : Enabled\n");
    await lab.ok(`c1 endpoint config ${id} PolicyAuditMode=disabled`);
    expect(await lab.ok(`${theirs} endpoint config ${id}`)).toBe("PolicyAuditMode                   : Disabled\n");
    const refused = await lab.sh(`${theirs} endpoint disconnect ${id}`);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("kubectl delete pod")]);
  },
);

test("a clusterwide policy on health endpoints makes its nodes ill in everybody's eyes, until it is gone", async () => {
  await lab.ok(`kubectl apply -f - <<'END'
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: health }
spec: { endpointSelector: { matchLabels: { "reserved:health": "" } }, ingress: [{ fromEntities: [world] }] }
END`);
  await lab.eventually("c1 endpoint list", /Enabled +Disabled +4 +reserved:health/);
  const ill = await lab.ok(inAgent("k8s-w1", "cilium-health status --probe"));
  // the node itself may always reach its pods, and so its own health endpoint
  expect(ill).toMatch(
    /1\/3 reachable[\s\S]*k8s-w1 \(localhost\) +\S+ +2\/2 +2\/2[\s\S]*k8s-ctr +\S+ +2\/2 +0\/2[\s\S]*k8s-w2 +\S+ +2\/2 +0\/2/,
  );
  await lab.ok("kubectl delete ccnp health");
  await lab.eventually(inAgent("k8s-w1", "cilium-health status"), /3\/3 reachable/, 25_000);
});

test("a killed agent's node is ill, and well again with the next agent, at the same address", async () => {
  process.kill(await agentOn("k8s-w2"), "SIGKILL");
  await lab.eventually("c2 endpoint list", /172\.20\.2\.2 +ready/);
  expect(await lab.ok(inAgent("k8s-w1", "cilium-health status --probe"))).toMatch(/3\/3 reachable/);
});

test("nodes that come are asked, and those that go are forgotten with all they had", async () => {
  await lab.shieldgate("node", "add", "w9");
  await lab.eventually(inAgent("k8s-ctr", "cilium-health status"), /4\/4 reachable[\s\S]*w9 +\S+ +2\/2 +2\/2/);
  expect((await lab.shieldgate("node", "remove", "w9")).code).toBe(0);
  const after = await lab.eventually(inAgent("k8s-ctr", "cilium-health status"), /3\/3 reachable/);
  expect(after).not.toContain("w9");
  expect(await lab.ok("c0 bpf ipcache list")).not.toMatch(/172\.20\.3\./);
});

test("a node's flows are for who shows a certificate; the relay has one", async () => {
  const state = join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "labs", lab.name);
  const { relay } = JSON.parse(readFileSync(join(state, "ports.json"), "utf8")) as { relay: number };
  const call = "-sS -m 5 -H 'content-type: application/json' -d '{}'";
  const { nodes } = JSON.parse(await lab.ok(`curl ${call} http://127.0.0.1:${relay}/observer.Observer/GetNodes`)) as {
    nodes: { name: string; state: string; tls: { enabled: boolean; serverName: string } }[];
  };
  const name = "k8s-w1.default.hubble-grpc.cilium.io";
  expect(nodes.find((node) => node.name === "k8s-w1")).toMatchObject({
    state: "NODE_CONNECTED",
    tls: { enabled: true, serverName: name },
  });
  const inNode = `nsenter --net=/run/netns/sg-${lab.name}-k8s-ctr curl ${call} --http2-prior-knowledge --resolve ${name}:4244:192.168.10.101`;
  const tls = (of: string) => `--cacert ${state}/pki/hubble/ca.crt --cert ${of}.crt --key ${of}.key`;
  const path = "observer.Observer/ServerStatus";
  expect(
    JSON.parse(await lab.ok(`${inNode} ${tls(`${state}/pki/hubble/client`)} https://${name}:4244/${path}`)),
  ).toMatchObject({ maxFlows: "4095" });
  // the cluster's authority is not that of its flows
  const stranger = await lab.sh(`${inNode} ${tls(`${state}/pki/kubeconfig`)} https://${name}:4244/${path}`);
  expect([stranger.stdout, stranger.code === 0]).toEqual(["", false]);
  const clear = await lab.sh(`${inNode} http://${name}:4244/${path}`);
  expect([clear.stdout, clear.code === 0]).toEqual(["", false]);
});
