import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const lab = new TestLab(`d${process.pid}`);
const names = "../04-names/names.yaml";

const ask = (url: string) =>
  lab.sh(`kubectl exec xwing -- curl -s -S -o /dev/null -w '%{http_code}' --connect-timeout 2 ${url}`);
const isOpen = async (url: string) => (await ask(url)).stdout === "200";

async function agentOfXwing() {
  const { nodes, pods } = await lab.status();
  const node = pods.find(({ name }) => name === "xwing")!.node;
  return nodes.find(({ name }) => name === node)!;
}

async function becomes(what: () => Promise<boolean>, milliseconds = 15_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`${what} did not become true`);
    await sleep(50);
  }
}

beforeAll(async () => {
  await lab.up("--ip-family", "dual");
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await lab.ok(`kubectl apply -f ${names}`);
  await becomes(() => isOpen("base.rebels.org"));
});
afterAll(() => lab.down().then(() => {}));

test("the first connection to a name that nobody knew succeeds, in both families", async () => {
  for (let index = 0; index < 10; index++) {
    expect((await ask(`-4 first-${index}.rebels.org`)).stdout).toBe("200");
    expect((await ask(`-6 second-${index}.rebels.org`)).stdout).toBe("200");
  }
});

test("what was not asked for stays shut, and what may not be asked for is refused", async () => {
  expect(await isOpen("jobs.starwars.com")).toBe(false);
  expect((await ask("base.empire.org")).stderr).toContain("Could not resolve host");
  const { stdout } = await lab.sh("hubble observe --from-pod xwing --protocol dns --verdict DROPPED -o json --last 1");
  expect(JSON.parse(stdout).flow.l7.dns).toMatchObject({ query: "base.empire.org.", observation_source: "proxy" });
});

test("kill -9 of the agent: known names stay open, new ones wait for the next agent, which knows the old ones", async () => {
  expect(await isOpen("kept.rebels.org")).toBe(true);
  const before = await agentOfXwing();
  process.kill(before.agent.pid, "SIGKILL");
  expect(await isOpen("kept.rebels.org")).toBe(true);
  await becomes(() => isOpen("during.rebels.org"));
  await becomes(async () => {
    const { agent } = await agentOfXwing();
    return agent.pid !== 0 && agent.pid !== before.agent.pid;
  });
  const index = before.name === "k8s-ctr" ? 0 : Number(before.name.slice(-1));
  await lab.eventually(`c${index} fqdn cache list`, /kept\.rebels\.org\./);
  expect(await isOpen("kept.rebels.org")).toBe(true);
  expect(await isOpen("jobs.starwars.com")).toBe(false);
});

test("kill -9 of the proxy: questions fail, nothing opens, and they are answered again", async () => {
  const { proxy } = await agentOfXwing();
  process.kill(proxy.pid, "SIGKILL");
  expect(await isOpen("jobs.starwars.com")).toBe(false);
  await becomes(() => isOpen("after.rebels.org"));
  expect((await ask("base.empire.org")).stderr).toContain("Could not resolve host");
});

test("what a short answer counts as is a setting, which holds without a restart", async () => {
  const setting = (value: string) => JSON.stringify({ data: { "tofqdns-min-ttl": value } });
  await lab.ok(`kubectl -n kube-system patch configmap cilium-config --type merge -p '${setting("4321")}'`);
  const { name } = await agentOfXwing();
  const index = name === "k8s-ctr" ? 0 : Number(name.slice(-1));
  let asked = 0;
  await becomes(async () => {
    await ask(`least-${asked++}.rebels.org`);
    return (await lab.sh(`c${index} fqdn cache list`)).stdout.includes("4321");
  });
  expect((await lab.sh(`c${index} fqdn cache list`)).stdout).toMatch(/least-\d+\.rebels\.org\.\s+4321/);
});

test("what a forbidden name is answered is a setting, which holds without a restart", async () => {
  const setting = (code: string) => JSON.stringify({ data: { "tofqdns-dns-reject-response-code": code } });
  const patch = (code: string) =>
    lab.ok(`kubectl -n kube-system patch configmap cilium-config --type merge -p '${setting(code)}'`);
  const script = `require("dns").resolve4("base.empire.org", (error) => console.log(error.code))`;
  const answer = async () => (await lab.sh(`kubectl exec xwing -- node -e '${script}'`)).stdout.trim();
  expect(await answer()).toBe("EREFUSED");
  await patch("nameError");
  await becomes(async () => (await answer()) === "ENOTFOUND");
  await patch("refused");
  await becomes(async () => (await answer()) === "EREFUSED");
});

test("without the policy everything may be asked for and reached", async () => {
  await lab.ok(`kubectl delete -f ${names}`);
  await becomes(() => isOpen("base.empire.org"));
});
