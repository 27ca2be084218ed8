import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, TestLab } from "../support/lab.ts";
import { certificateFor } from "../support/tls-server.ts";

/** Nothing is enforced at layer 7, and no proxy sees a request: a rehearsal judges requests all the same, and leaves no trace. */

const lab = new TestLab(`r${process.pid}`);
const CANDIDATE = join(ROOT, "examples/01-star-wars/sw_l3_l4_l7_policy.yaml");
const shieldgate = `${join(ROOT, "bin/shieldgate")} policy`;
const CLOSED = /^CLOSED default\/pod\/tiefighter -> default\/deployment\/deathstar:80\/tcp {2}PUT \/v1\/exhaust-port$/m;
const URL = "deathstar.default.svc.cluster.local";
const PUT = `curl -s --max-time 3 -XPUT ${URL}/v1/exhaust-port`;
const LAND = `curl -s --max-time 3 -XPOST ${URL}/v1/request-landing`;

beforeAll(async () => {
  await lab.up();
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await lab.ok("kubectl rollout status deployment/deathstar --timeout=30s");
});
afterAll(async () => {
  await lab.down();
});

const from = (pod: string, command: string) => lab.ok(`kubectl exec ${pod} -- ${command}`);

/** Of every node: what its agent says of itself, and what it has in the kernel. */
async function nodes(): Promise<{ looked: number; redirects: number }> {
  const pods = (await lab.ok("kubectl -n kube-system get pods -l k8s-app=cilium -o name")).trim().split("\n");
  const statuses = await Promise.all(
    pods.map(async (pod) => JSON.parse(await lab.ok(`kubectl -n kube-system exec ${pod} -- cilium status -o json`))),
  );
  const looked = statuses.map(({ cilium }) => Number(/looks at requests to (\d+) ports/.exec(cilium.msg)?.[1] ?? 0));
  const redirects = statuses.map(({ proxy }) => Number(proxy?.["total-redirects"] ?? 0));
  const sum = (counts: number[]) => counts.reduce((all, each) => all + each, 0);
  return { looked: sum(looked), redirects: sum(redirects) };
}

async function untilNothingIsLookedAt(): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    if ((await nodes()).looked === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect((await nodes()).looked).toBe(0);
}

describe("a candidate with rules for requests, where none are in force", () => {
  test("is judged request by request, while all of them pass, and nothing is redirected", async () => {
    const rehearsal = lab.watch(`${shieldgate} rehearse -f ${CANDIDATE}`);
    await rehearsal.until(/following .*; requests at 2 ports of endpoints/);
    expect(await from("tiefighter", PUT)).toContain("Panic: deathstar exploded");
    expect(await from("tiefighter", LAND)).toBe("Ship landed\n");
    await rehearsal.until(CLOSED, 15_000);
    expect(rehearsal.text).not.toMatch(/CLOSED default\/pod\/tiefighter.*POST/);
    expect(await nodes()).toEqual({ looked: 2, redirects: 0 });
    const own = await lab.ok("hubble observe --type l7 -o compact");
    expect(own).toMatch(/tiefighter.*deathstar.*http-request FORWARDED \(HTTP\/1.1 PUT .*\/v1\/exhaust-port\)/);
    rehearsal.stop();
    await rehearsal.until(/tiefighter.*PUT \/v1\/exhaust-port/);
    await untilNothingIsLookedAt();
    await from("tiefighter", LAND);
    expect(await nodes()).toEqual({ looked: 0, redirects: 0 });
  });

  test("is judged on connections that stood before it began", async () => {
    // one connection: a request, seconds in which the rehearsal begins, and the next
    const connection = lab.watch(
      `kubectl exec tiefighter -- curl -sN --rate 15/m -XPOST ${URL}/v1/request-landing --next -s -XPUT ${URL}/v1/exhaust-port -w 'opened %{num_connects}'`,
    );
    await connection.until(/Ship landed/);
    const rehearsal = lab.watch(`${shieldgate} rehearse -f ${CANDIDATE}`);
    await rehearsal.until(/following /);
    await rehearsal.until(CLOSED, 15_000);
    await connection.until(/Panic: deathstar exploded[\s\S]*opened 0/);
    rehearsal.stop();
    await untilNothingIsLookedAt();
  });

  test("is told of connections that stand and are silent, with rules for ports alone", async () => {
    const silent = lab.watch("kubectl exec xwing -- bash -c 'exec 3<>/dev/tcp/deathstar/80; echo open; sleep 60'");
    await silent.until(/open/);
    const rehearsal = lab.watch(
      `${shieldgate} rehearse -f ${join(ROOT, "examples/01-star-wars/sw_l3_l4_policy.yaml")}`,
    );
    await rehearsal.until(/^CLOSED default\/pod\/xwing -> default\/deployment\/deathstar:80\/tcp$/m, 10_000);
    rehearsal.stop();
    silent.stop();
    await untilNothingIsLookedAt();
  });

  test("is forgotten when its client is killed, and taken up again by an agent that was", async () => {
    const rehearsal = lab.watch(`${shieldgate} rehearse -f ${CANDIDATE}`);
    await rehearsal.until(/following /);
    const { nodes: all } = JSON.parse((await lab.shieldgate("status", "-o", "json")).stdout);
    for (const { agent } of all) process.kill(agent.pid, "SIGKILL");
    await rehearsal.until(/requests are not seen until its agent is back/, 10_000);
    for (let tries = 0; tries < 100 && (await nodes().catch(() => ({ looked: 0 }))).looked < 2; tries++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await from("tiefighter", PUT)).toContain("Panic: deathstar exploded");
    await rehearsal.until(CLOSED, 15_000);
    rehearsal.stop("SIGKILL");
    await untilNothingIsLookedAt();
    expect((await nodes()).redirects).toBe(0);
  });

  test("is judged by the names of TLS servers, and by each call of HTTP/2", async () => {
    const { cert, key } = certificateFor(["one.example"]);
    const files = `echo '${key}${cert}' > /tmp/s.pem`;
    const h2 = `require("http2").createServer((_, response) => response.end("landed\\n")).listen(80)`;
    const tls = "openssl s_server -accept 443 -quiet -www -cert /tmp/s.pem -key /tmp/s.pem";
    const command = ["bash", "-c", `${files}; ${tls} & exec /opt/shieldgate/bin/node -e '${h2}'`];
    const file = join(tmpdir(), `${lab.name}.json`);
    const container = { name: "c", image: "quay.io/cilium/starwars", command };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "calls", labels: { app: "calls" } } };
    writeFileSync(file, JSON.stringify({ ...pod, spec: { containers: [container] } }));
    await lab.ok(`kubectl apply -f ${file} && kubectl wait --for=condition=Ready pod/calls --timeout=30s`);
    const address = await lab.ok("kubectl get pod calls -o jsonpath='{.status.podIP}'");
    const call = (path: string) =>
      `curl -s -m 5 --http2-prior-knowledge --retry 9 --retry-connrefused http://${address}/${path}`;
    const hello = (name: string) =>
      `curl -sk -m 5 -o /dev/null -w %{http_code} --retry 9 --retry-connrefused --resolve ${name}:443:${address} https://${name}/`;
    await from("tiefighter", call("start"));
    const port = (number: string, rules: object) => ({ ports: [{ port: number, protocol: "TCP" }], ...rules });
    const toPorts = [
      port("80", { rules: { http: [{ path: "/allowed" }] } }),
      port("443", { serverNames: ["one.example"] }),
    ];
    const spec = { endpointSelector: { matchLabels: { app: "calls" } }, ingress: [{ fromEndpoints: [{}], toPorts }] };
    const kind = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: "calls" } };
    writeFileSync(file, JSON.stringify({ ...kind, spec }));
    const rehearsal = lab.watch(`${shieldgate} rehearse -f ${file}`);
    await rehearsal.until(/following .*; requests at 2 ports of endpoints/);
    const ended = (path: string) => new RegExp(`^CLOSED default/pod/tiefighter -> default/pod/calls:${path}$`, "m");
    for (const path of ["allowed", "closed"]) expect(await from("tiefighter", call(path))).toBe("landed\n");
    expect(await from("tiefighter", hello("one.example"))).toBe("200");
    expect(await from("tiefighter", hello("two.example"))).toBe("200");
    await rehearsal.until(ended("80/tcp {2}GET /closed"), 15_000);
    await rehearsal.until(ended("443/tcp {2}TLS for two.example"), 15_000);
    rehearsal.stop();
    await untilNothingIsLookedAt();
    expect(rehearsal.text).not.toMatch(/CLOSED.*(?:allowed|one\.example)/);
    expect(rehearsal.text).not.toContain("could be read");
  });
});
