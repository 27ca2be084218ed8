/** `serverNames` from pod to pod: curl and OpenSSL through the real redirect, on the server's node and from another. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";
import { certificateFor } from "../support/tls-server.ts";

const lab = new TestLab(`s${process.pid}`);
const RESET = 35;
let server = "";
let server6 = "";

const { cert, key } = certificateFor(["one.example"]);
const FILE = "/tmp/server.pem";
/** A server that answers every TLS client and logs the names that are asked for. */
const SERVE = [
  `echo '${key}${cert}' > ${FILE}`,
  `exec stdbuf -oL openssl s_server -accept 443 -www -cert ${FILE} -key ${FILE} -servername none -cert2 ${FILE} -key2 ${FILE}`,
].join(" && ");

function pod(name: string, app: string, nodeName: string, command: readonly string[]): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app } },
    spec: { nodeName, containers: [{ name: "c", image: "debian:12", command }] },
  };
}

function allow(name: string, to: object, toPorts: readonly object[]): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name },
    spec: {
      endpointSelector: { matchLabels: { app: "client" } },
      egress: [{ toEndpoints: [to], toPorts }],
    },
  };
}

function policy(serverNames: readonly string[]): object {
  return allow("names", { matchLabels: { app: "server" } }, [
    { ports: [{ port: "443", protocol: "TCP" }], serverNames },
  ]);
}

async function apply(...items: readonly object[]): Promise<string> {
  const file = join(tmpdir(), `${lab.name}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return await lab.ok(`kubectl apply -f ${file}`);
}

/** Curl's exit code and the status of the answer. */
async function ask(from: string, name: string, address = server): Promise<[code: number, status: string]> {
  const options = `-s -k -m 5 -o /dev/null -w '%{http_code}' --resolve ${name}:443:${address}`;
  const { code, stdout } = await lab.sh(`kubectl exec ${from} -- curl ${options} https://${name}/`);
  return [code, stdout];
}

beforeAll(async () => {
  await lab.up("--ip-family", "dual");
  await apply(
    pod("server", "server", "k8s-w1", ["sh", "-c", SERVE]),
    pod("near", "client", "k8s-w1", ["sleep", "infinity"]),
    pod("far", "client", "k8s-w2", ["sleep", "infinity"]),
  );
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  server = await lab.ok("kubectl get pod server -o jsonpath='{.status.podIP}'");
  server6 = await lab.ok("kubectl get pod server -o jsonpath='{.status.podIPs[1].ip}'");
  await lab.eventually(`kubectl exec far -- curl -s -k -o /dev/null -w '%{http_code}' https://${server}/`, /^200$/);
});
afterAll(() => lab.down().then(() => {}));

test("the policy is taken", async () => {
  expect(await apply(policy(["one.example", "*.wild.example"]))).toContain(
    "ciliumnetworkpolicy.cilium.io/names created",
  );
  await lab.eventually("kubectl get cnp names", /names +\S+ +True/);
});

test.each(["near", "far"])(
  "%s: a name of the policy speaks TLS with the server, another gets a reset",
  async (from) => {
    expect(await ask(from, "one.example")).toEqual([0, "200"]);
    expect(await ask(from, "a.wild.example")).toEqual([0, "200"]);
    expect(await ask(from, "one.example", server6)).toEqual([0, "200"]);
    expect(await ask(from, "evil.example")).toEqual([RESET, "000"]);
    expect(await ask(from, "evil.example", server6)).toEqual([RESET, "000"]);
    expect(await ask(from, "a.b.wild.example")).toEqual([RESET, "000"]);
  },
);

test("nobody gets in without a name, or with something else than TLS", async () => {
  const nameless = await lab.sh(`kubectl exec far -- curl -s -k -m 5 https://${server}/`);
  expect(nameless.code).toBe(RESET);
  const clear = await lab.sh(`kubectl exec far -- curl -s -m 5 http://${server}:443/`);
  expect(clear.code).toBe(56);
});

test("over UDP nobody can show a name, so nothing passes", async () => {
  const dns = (more: object) =>
    allow("dns", { matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns" } }, [
      { ports: [{ port: "53", protocol: "UDP" }], ...more },
    ]);
  const look = () => lab.sh("kubectl exec far -- nslookup -timeout=1 kubernetes.default.svc.cluster.local");
  await apply(dns({}));
  expect((await look()).stdout).toContain("10.96.0.1");
  await apply(dns({ serverNames: ["*"] }));
  expect((await look()).stdout).not.toContain("10.96.0.1");
  await lab.ok("kubectl delete cnp dns");
});

test("the server saw the names of the policy and no other", async () => {
  const log = await lab.ok("kubectl logs server");
  const names = new Set([...log.matchAll(/Hostname in TLS extension: "(.*)"/g)].map(([, name]) => name));
  expect([...names].sort()).toEqual(["a.wild.example", "one.example"]);
});

test("hubble and the monitor show the names", async () => {
  const monitor = lab.watch("c2 monitor -t l7");
  for (let tries = 0; tries < 20 && !monitor.text.includes("evil.example"); tries++) await ask("far", "evil.example");
  await monitor.until(
    /-> Request tls from \d+ \(.*app=client.*\) to 0 \(.*\), identity \d+->\d+, verdict Denied alpn:h2,http\/1.1 reason:no rule matched sni:evil.example/,
  );
  const seen = await lab.ok("hubble observe --type l7 --last 100 --to-pod default/server");
  expect(seen).toMatch(
    /default\/far:\d+ \(ID:\d+\) -> default\/server:443 \(ID:\d+\) l7-request FORWARDED \(tls Fields: map\[alpn:h2,http\/1.1 sni:one.example\]\)/,
  );
  expect(seen).toMatch(
    /l7-request DROPPED \(tls Fields: map\[alpn:h2,http\/1.1 reason:no rule matched sni:evil.example\]\)/,
  );
  expect(seen).toMatch(/l7-request DROPPED \(tls Fields: map\[reason:not a TLS handshake\]\)/);
});

test("a tunnel ends when the policy would no longer open it", async () => {
  const client = `openssl s_client -connect ${server}:443 -servername one.example`;
  const held = lab.watch(`kubectl exec far -- sh -c '(echo; sleep 20) | ${client} 2>&1'`);
  await held.until(/Verify return code/, 10_000);
  expect(held.text).not.toContain("errno");
  await apply(policy(["two.example"]));
  await held.until(/read:errno=104/, 10_000);
  expect(await ask("far", "one.example")).toEqual([RESET, "000"]);
  expect(await ask("far", "two.example")).toEqual([0, "200"]);
});
