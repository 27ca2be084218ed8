import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const LAND = "curl -s -XPOST deathstar.default.svc.cluster.local/v1/request-landing --connect-timeout 2";
const EXHAUST = "curl -s -XPUT deathstar.default.svc.cluster.local/v1/exhaust-port --connect-timeout 2";
/** Asks the servers' L4 port without a proxy in between: works while a policy without L7 rules is in force. */
const lab = new TestLab(`f${process.pid}`);

async function landed(ship: string): Promise<boolean> {
  return (await lab.sh(`kubectl exec ${ship} -- ${LAND}`)).stdout === "Ship landed\n";
}

async function becomes(what: () => Promise<boolean>, milliseconds = 15_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`${what} did not become true`);
    await sleep(50);
  }
}

async function apply(file: string): Promise<void> {
  await lab.ok(`kubectl apply -f ${file}`);
  const revision = await lab.ok("c1 policy get");
  expect(revision).toContain("rule1");
}

beforeAll(async () => {
  await lab.up();
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await lab.ok("kubectl rollout status deployment/deathstar --timeout=30s");
  await apply("sw_l3_l4_policy.yaml");
});
afterAll(() => lab.down().then(() => {}));

/** Nothing opens: xwing stays out while `during` runs, asked again and again. */
async function closedDuring(during: () => Promise<void>): Promise<void> {
  let going = true;
  let opened = 0;
  const probe = (async () => {
    while (going) if (await landed("xwing")) opened++;
  })();
  await during();
  going = false;
  await probe;
  expect(opened).toBe(0);
}

/** The last flow of a refused packet of xwing's, and how to ask for it again when no ring has it any more. */
async function refusedFlow(): Promise<{ readonly uuid: string; readonly again: string }> {
  expect(await landed("xwing")).toBe(false);
  const drops = "hubble observe --last 1 --from-pod default/xwing --verdict DROPPED --type drop -o json";
  const uuid = /"uuid":"([^"]+)"/.exec(await lab.eventually(drops, /"uuid"/))![1]!;
  // a crash may take the flows of the last second
  await sleep(1000);
  return { uuid, again: `hubble observe --since 1h --uuid ${uuid} -o json` };
}

test("kill -9 of every agent: verdicts stand, connections stand, nothing opens, they come back", async () => {
  const held = lab.watch(
    "kubectl exec tiefighter -- curl -sN --limit-rate 1 -XPOST deathstar.default.svc.cluster.local/v1/request-landing",
  );
  const before = await lab.status();
  const { uuid, again } = await refusedFlow();
  await closedDuring(async () => {
    for (const node of before.nodes) process.kill(node.agent.pid, "SIGKILL");
    expect(await landed("tiefighter")).toBe(true);
    await becomes(async () => {
      const { nodes } = await lab.status();
      return nodes.every((node, index) => node.agent.pid !== 0 && node.agent.pid !== before.nodes[index]!.agent.pid);
    });
    expect(await landed("tiefighter")).toBe(true);
  });
  await held.until(/Ship landed/, 20_000);
  await lab.eventually(again, new RegExp(uuid));
  await lab.eventually("c1 endpoint list", /Enabled +Disabled +\d+ +k8s:app.kubernetes.io\/name=deathstar.*ready/);
});

test("kill -9 of the proxies: redirected flows fail, others go on, they come back", async () => {
  await apply("sw_l3_l4_l7_policy.yaml");
  await becomes(async () => (await lab.sh(`kubectl exec tiefighter -- ${EXHAUST}`)).stdout.trim() === "Access denied");
  const { nodes } = await lab.status();
  for (const node of nodes) process.kill(node.proxy.pid, "SIGKILL");
  // DNS is not redirected: it answers all the while
  const dns = await lab.sh("kubectl exec xwing -- getent hosts deathstar.default.svc.cluster.local");
  expect(dns.stdout).toMatch(/^10\.96\./);
  await becomes(() => landed("tiefighter"));
  expect((await lab.ok(`kubectl exec tiefighter -- ${EXHAUST}`)).trim()).toBe("Access denied");
  expect(await landed("xwing")).toBe(false);
});

test("up replaces the processes of another build, and nothing opens meanwhile", async () => {
  const pods =
    "kubectl get pods -o jsonpath='{.items[*].metadata.uid}{.items[*].status.containerStatuses[*].restartCount}'";
  const [before, { nodes, controlPlane }] = [await lab.ok(pods), await lab.status()];
  for (const name of ["supervisor", "control-plane", "k8s-w1/agent", "k8s-w1/proxy"]) {
    const file = `/run/shieldgate/${lab.name}/${name}.json`;
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), build: "another" }));
  }
  const told =
    "! supervisor, control-plane, k8s-w1/agent, k8s-w1/proxy: of another build of shieldgate; bin/shieldgate";
  expect((await lab.shieldgate("status")).stdout).toContain(told);
  await closedDuring(async () => {
    expect((await lab.shieldgate("up")).stdout).toContain("4 processes of another build of shieldgate were replaced");
  });
  const after = await lab.status();
  const pidsOf = (all: typeof nodes) => all.flatMap(({ agent, proxy }) => [agent.pid, proxy.pid]);
  expect(after.controlPlane.pid).not.toBe(controlPlane.pid);
  expect(pidsOf(after.nodes).map((pid) => pidsOf(nodes).includes(pid))).toEqual([true, true, false, false, true, true]);
  expect(await lab.ok(pods)).toBe(before);
  await becomes(() => landed("tiefighter"));
  expect((await lab.shieldgate("status")).code).toBe(0);
});

test("a relay that begins while the control plane's agent stands still asks the nodes that were known before", async () => {
  const relay = /^relay +(\d+)/m.exec((await lab.shieldgate("status")).stdout)![1];
  const { nodes } = await lab.status();
  const agent = nodes.find(({ name }) => name === "k8s-ctr")!.agent.pid;
  process.kill(agent, "SIGSTOP");
  try {
    process.kill(Number(relay), "SIGKILL");
    await lab.eventually("hubble list nodes", /k8s-ctr +Unavailable.*\nk8s-w1 +Connected.*\nk8s-w2 +Connected/);
  } finally {
    process.kill(agent, "SIGCONT");
  }
  await lab.eventually("hubble list nodes", /k8s-ctr +Connected.*\nk8s-w1 +Connected.*\nk8s-w2 +Connected/);
});

test("kill -9 of the control plane: enforcement stands, no acknowledged object is lost", async () => {
  const { controlPlane } = await lab.status();
  const daemons = await lab.ok("kubectl get pod -n kube-system -o name");
  const acknowledged: string[] = [];
  let going = true;
  const writer = (async () => {
    for (let n = 0; going && n < 500; n++) {
      const result = await lab.sh(`kubectl create configmap kept-${n} --from-literal=n=${n}`);
      if (result.code === 0) acknowledged.push(`kept-${n}`);
    }
  })();
  await sleep(700);
  process.kill(controlPlane.pid, "SIGKILL");
  await becomes(async () => (await lab.sh("kubectl get nodes")).code === 0);
  going = false;
  await writer;
  expect(acknowledged.length).toBeGreaterThan(1);
  const names = (await lab.ok("kubectl get configmap -o name"))
    .split("\n")
    .map((name) => name.replace("configmap/", ""));
  expect(acknowledged.filter((name) => !names.includes(name))).toEqual([]);
  expect(await landed("tiefighter")).toBe(true);
  expect(await landed("xwing")).toBe(false);
  // controllers that come back do not take what they have not listed yet for gone
  expect(await lab.ok("kubectl get pod -n kube-system -o name")).toBe(daemons);
});

test("a client of exec that leaves while output flows harms nobody", async () => {
  const kubelet = async () => /^kubelet +(\d+)/m.exec((await lab.shieldgate("status")).stdout)![1];
  const before = await kubelet();
  for (const streams of ["true", "false"]) {
    const cut = `KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${streams} kubectl exec tiefighter -- cat /dev/zero | head -c 100000 | wc -c`;
    expect((await lab.ok(cut)).trim()).toBe("100000");
  }
  await sleep(500);
  expect(await kubelet()).toBe(before);
  expect(await lab.ok("kubectl exec tiefighter -- sh -c 'ps -e | grep -c cat || true'")).toBe("0\n");
});

test("a rollout restart of the proxies ends each process and shows the next one", async () => {
  const before = (await lab.status()).nodes.map((node) => node.proxy.pid);
  await lab.ok("kubectl rollout restart -n kube-system ds/cilium-envoy");
  await lab.ok("kubectl rollout status -n kube-system ds/cilium-envoy --timeout=30s");
  const after = (await lab.status()).nodes.map((node) => node.proxy.pid);
  expect(after.filter((pid) => pid === 0 || before.includes(pid))).toEqual([]);
  await becomes(() => landed("tiefighter"));
});

test("what nothing here acts on is told, what a pod cannot do without is refused; a program may be run and heard", async () => {
  const balanced = await lab.sh('kubectl patch svc deathstar -p \'{"spec":{"type":"LoadBalancer"}}\'');
  expect([balanced.code, balanced.stderr]).toEqual([
    0,
    expect.stringContaining("Warning: spec.type: there is no load"),
  ]);
  expect(await lab.ok("kubectl get svc deathstar")).toMatch(/LoadBalancer +\S+ +<pending> +80:3\d{4}\/TCP/);
  await lab.ok('kubectl patch svc deathstar -p \'{"spec":{"type":"ClusterIP"}}\'');
  const network = JSON.stringify({ spec: { template: { spec: { hostNetwork: true } } } });
  const host = await lab.sh(`kubectl patch deploy deathstar -p '${network}'`);
  expect([host.code, host.stderr]).toEqual([
    1,
    expect.stringContaining("spec.template.spec.hostNetwork: Unsupported value"),
  ]);
  const terminal = await lab.sh("kubectl run t --rm -i --image=busybox --restart=Never -- echo heard");
  expect([terminal.code, terminal.stdout]).toEqual([0, expect.stringContaining("heard")]);
});

test("kill -9 of supervisor and kubelet: pods go on, `up` puts all right", async () => {
  const before = (await lab.status()).pods;
  const pids = (await lab.shieldgate("status")).stdout;
  for (const name of ["supervisor", "kubelet"]) {
    process.kill(Number(new RegExp(`^${name} +(\\d+)`, "m").exec(pids)![1]), "SIGKILL");
  }
  // a process that is killed lives until it is scheduled once more
  await becomes(async () => /^supervisor +- +not running/m.test((await lab.shieldgate("status")).stdout));
  const wrong = await lab.shieldgate("status");
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toContain(`bin/shieldgate --name ${lab.name} up`);
  const up = await lab.shieldgate("up");
  expect([up.code, up.stdout]).toEqual([0, expect.stringContaining("was put right")]);
  expect((await lab.status()).pods).toEqual(before);
  expect(await landed("tiefighter")).toBe(true);
  const twice = await lab.shieldgate("up");
  expect([twice.code, twice.stdout]).toEqual([0, expect.stringContaining("is up already")]);
});

test("an invalid policy is refused with the field's path, and the earlier one stays in force", async () => {
  const bad = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: rule1}
spec:
  endpointSelector: {matchLabels: {org: empire}}
  ingress:
  - fromEndpoints: [{}]
    toPorts: [{ports: [{port: "99999", protocol: TCP}]}]
`;
  const result = await lab.sh(`printf '%s' '${bad}' | kubectl apply -f -`);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("spec.ingress[0].toPorts[0].ports[0].port");
  expect((await lab.ok(`kubectl exec tiefighter -- ${EXHAUST}`)).trim()).toBe("Access denied");
  const unsupported = bad.replace("fromEndpoints: [{}]", "fromGroups: [{aws: {region: x}}]").replace("99999", "80");
  const named = await lab.sh(`printf '%s' '${unsupported}' | kubectl apply -f -`);
  expect([named.code, named.stderr]).toEqual([1, expect.stringContaining("spec.ingress[0].fromGroups")]);
});

test("a second policy while the first regenerates: the last one wins", async () => {
  for (let round = 0; round < 3; round++) {
    await lab.ok("kubectl apply -f sw_l3_l4_policy.yaml && kubectl apply -f sw_l3_l4_l7_policy.yaml");
  }
  await becomes(async () => (await lab.sh(`kubectl exec tiefighter -- ${EXHAUST}`)).stdout.trim() === "Access denied");
  await sleep(500);
  expect((await lab.ok(`kubectl exec tiefighter -- ${EXHAUST}`)).trim()).toBe("Access denied");
});

test("a tightened policy cuts an established connection at its next packet", async () => {
  await lab.ok("kubectl delete cnp rule1");
  const held = lab.watch("kubectl exec -i xwing -- bash -s < test/support/hold-connection.sh");
  await held.until(/got HTTP\/1\.1 200/);
  await lab.ok("kubectl apply -f sw_l3_l4_policy.yaml");
  await sleep(1000);
  const after = held.text.length;
  await sleep(3000);
  expect(held.text.slice(after)).toBe("");
  held.stop();
});

test("stop keeps the objects, start brings them back; down leaves nothing but logs", async () => {
  const { uuid, again } = await refusedFlow();
  expect((await lab.shieldgate("stop")).code).toBe(0);
  const started = await lab.shieldgate("start");
  expect([started.code, started.stderr]).toEqual([0, ""]);
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await becomes(() => landed("tiefighter"));
  expect(await landed("xwing")).toBe(false);
  await lab.eventually(again, new RegExp(uuid));
});
