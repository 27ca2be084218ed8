/** `headerMatches` with secrets of Kubernetes, from pod to pod: what the server gets, and who may see what. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const lab = new TestLab(`m${process.pid}`);
let server = "";

/** Answers with the head of the request. */
const ECHO = `use IO::Socket; $SIG{PIPE} = "IGNORE"; $l = IO::Socket::INET->new(LocalPort => 80, Listen => 9, ReuseAddr => 1) or die;
while ($c = $l->accept) { $h = ""; while (<$c>) { $h .= $_; last if /^\\r\\n$/ }
print $c "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: " . length($h) . "\\r\\n\\r\\n$h"; close $c }`;

function pod(name: string, app: string, nodeName: string, command: readonly string[]): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app } },
    spec: { nodeName, containers: [{ name: "c", image: "debian:12", command }] },
  };
}

const secret = (value: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "token" },
  stringData: { value },
});

function policy(http: readonly object[]): object {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "headers" },
    spec: {
      endpointSelector: { matchLabels: { app: "server" } },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { app: "client" } }],
          toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http } }],
        },
      ],
    },
  };
}

const TOKEN = { namespace: "default", name: "token" };
const RULES = [
  { path: "/given", headerMatches: [{ name: "X-Token", secret: TOKEN, mismatch: "REPLACE" }] },
  { path: "/asked", headerMatches: [{ name: "X-Token", secret: TOKEN }] },
  { path: "/cleaned", headerMatches: [{ name: "X-Role", value: "user", mismatch: "DELETE" }] },
];

async function apply(...items: readonly object[]): Promise<string> {
  const file = join(tmpdir(), `${lab.name}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return await lab.ok(`kubectl apply -f ${file}`);
}

const curl = (path: string, ...fields: readonly string[]) =>
  `kubectl exec client -- curl -s -m 5 ${fields.map((field) => `-H '${field}'`).join(" ")} http://${server}${path}`;

beforeAll(async () => {
  await lab.up();
  await apply(
    pod("server", "server", "k8s-w1", ["perl", "-e", ECHO]),
    pod("client", "client", "k8s-w2", ["sleep", "infinity"]),
    secret("s3cr3t-one"),
  );
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  server = await lab.ok("kubectl get pod server -o jsonpath='{.status.podIP}'");
  await lab.eventually(curl("/other"), /^GET \/other /);
});
afterAll(() => lab.down().then(() => {}));

test("the policy is taken, and one that would frame another request is not", async () => {
  await apply(policy(RULES));
  await lab.eventually("kubectl get cnp headers", /headers +\S+ +True/);
  await lab.eventually(curl("/other"), /^Access denied/);
  const framing = policy([{ headerMatches: [{ name: "Content-Length", value: "9", mismatch: "REPLACE" }] }]);
  const file = join(tmpdir(), `${lab.name}-framing.json`);
  writeFileSync(file, JSON.stringify(framing));
  const refused = await lab.sh(`kubectl apply -f ${file}`);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("spec.ingress[0].toPorts[0].rules.http[0].headerMatches[0]");
  expect(refused.stderr).toContain('REPLACE of "Content-Length"');
});

test("the server gets what the rules want", async () => {
  expect(await lab.ok(curl("/given"))).toMatch(/\r\nx-token: s3cr3t-one\r\n/);
  const replaced = await lab.ok(curl("/given", "X-Token: forged", "X-Other: kept"));
  expect(replaced).toMatch(/\r\nx-token: s3cr3t-one\r\n/);
  expect(replaced).toContain("X-Other: kept");
  expect(replaced).not.toContain("forged");
  expect(await lab.ok(curl("/cleaned", "X-Role: admin"))).not.toContain("admin");
  expect(await lab.ok(curl("/cleaned", "X-Role: user"))).toContain("X-Role: user");
  expect(await lab.ok(curl("/asked", "X-Token: s3cr3t-one"))).toMatch(/^GET \/asked /);
  expect(await lab.ok(curl("/asked", "X-Token: s3cr3t-two"))).toBe("Access denied\r\n");
});

test("a changed secret counts, and one that is gone matches nothing", async () => {
  await apply(secret("s3cr3t-two"));
  await lab.eventually(curl("/asked", "X-Token: s3cr3t-two"), /^GET \/asked /);
  expect(await lab.ok(curl("/asked", "X-Token: s3cr3t-one"))).toBe("Access denied\r\n");
  await lab.ok("kubectl delete secret token");
  await lab.eventually(curl("/asked", "X-Token: s3cr3t-two"), /^Access denied/);
  expect(await lab.ok(curl("/given"))).toBe("Access denied\r\n");
  await apply(secret("s3cr3t-three"));
  await lab.eventually(curl("/given"), /\r\nx-token: s3cr3t-three\r\n/);
});

test("nobody who looks at traffic sees a secret", async () => {
  const observe = "hubble observe --type l7 --last 100 -o json";
  const hidden = await lab.ok(observe);
  expect(hidden).toContain('"X-Token","value":"HUBBLE_REDACTED"');
  expect(hidden).not.toContain("s3cr3t");
  // headers that rules compare with secrets are hidden even from who wants to see all headers
  await lab.ok(
    `kubectl -n kube-system patch cm cilium-config --type merge -p '{"data":{"hubble-redact-enabled":"false"}}'`,
  );
  const request = curl("/given?shown=1", "X-Token: forged", "X-Other: kept");
  await lab.eventually(`${request} > /dev/null; ${observe}`, /"X-Other","value":"kept"/);
  const flows = await lab.ok(observe);
  expect(flows).toContain("/given?shown=1");
  expect(flows).toContain('"X-Token","value":"[redacted]"');
  expect(flows).not.toContain("s3cr3t");
  const admin = "curl -s --unix-socket /var/run/cilium/envoy/sockets/admin.sock http://admin/config_dump";
  const agent = "$(kubectl get pod -n kube-system -l k8s-app=cilium --field-selector spec.nodeName=k8s-w1 -o name)";
  const dump = await lab.ok(`kubectl exec -n kube-system ${agent} -c cilium-agent -- ${admin}`);
  expect(dump).toContain("default/token");
  expect(dump).not.toContain("s3cr3t");
  const logs = await lab.ok(
    `cat "$SHIELDGATE_HOME"/logs/${lab.name}/* "$HOME"/.shieldgate/logs/${lab.name}/* 2>/dev/null || true`,
  );
  expect(logs).toContain("agent");
  expect(logs).not.toContain("s3cr3t");
});
