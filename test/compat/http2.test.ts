/** HTTP/2 from pod to pod: curl through the real redirect, on the server's node and from another. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";

const lab = new TestLab(`h${process.pid}`);
/** Answers everything over HTTP/2, and logs it; an answer to /slow never ends. */
const SERVE = `require("http2").createServer((request, response) => {
  console.log(request.method, request.url);
  response.write("landed for " + request.socket.remoteAddress.replace("::ffff:", ""));
  if (request.url !== "/slow") response.end();
}).listen(80)`;
let server = "";

function pod(name: string, app: string, nodeName: string, container: object): object {
  const spec = { nodeName, containers: [{ name: "c", ...container }] };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app } }, spec };
}

function policy(...paths: readonly string[]): object {
  const http = paths.map((path) => ({ method: "POST", path }));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "landing" },
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

async function apply(...items: readonly object[]): Promise<string> {
  const file = join(tmpdir(), `${lab.name}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return await lab.ok(`kubectl apply -f ${file}`);
}

const curl = (from: string, options: string) =>
  lab.ok(`kubectl exec ${from} -- curl -s -m 5 --http2-prior-knowledge ${options}`);

beforeAll(async () => {
  await lab.up();
  const sleeping = { image: "debian:12", command: ["sleep", "infinity"] };
  await apply(
    pod("server", "server", "k8s-w1", {
      image: "quay.io/cilium/starwars",
      command: ["/opt/shieldgate/bin/node", "-e", SERVE],
    }),
    pod("near", "client", "k8s-w1", sleeping),
    pod("far", "client", "k8s-w2", sleeping),
  );
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  server = await lab.ok("kubectl get pod server -o jsonpath='{.status.podIP}'");
  await lab.eventually(`kubectl exec far -- curl -s --http2-prior-knowledge http://${server}/start`, /landed/);
});
afterAll(() => lab.down().then(() => {}));

test("the policy is taken", async () => {
  await apply(policy("/v1/request-landing", "/slow"));
  await lab.eventually("kubectl get cnp landing", /names? +\S+ +True|landing +\S+ +True/);
  await lab.eventually(`kubectl exec far -- curl -s --http2-prior-knowledge http://${server}/start`, /Access denied/);
});

test.each(["near", "far"])(
  "%s: an allowed stream passes with the client's address, forbidden ones get 403",
  async (from) => {
    const address = await lab.ok(`kubectl get pod ${from} -o jsonpath='{.status.podIP}'`);
    const allowed = `-X POST http://${server}/v1/x/../request-landing --path-as-is`;
    expect(await curl(from, `-w ' %{http_version} %{http_code}' ${allowed}`)).toBe(`landed for ${address} 2 200`);
    for (const refused of [`-X PUT http://${server}/v1/exhaust-port`, `http://${server}/v1/request-landing`]) {
      expect(await curl(from, `-w '%{http_version} %{http_code}' ${refused}`)).toBe("Access denied\r\n2 403");
    }
  },
);

test("a forbidden gRPC call gets PERMISSION_DENIED", async () => {
  const call = `-X POST -H 'content-type: application/grpc' -d x http://${server}/deathstar.Port/Exhaust`;
  expect(await curl("far", `-D - ${call}`)).toMatch(/^HTTP\/2 200 \r\n[\s\S]*grpc-status: 7\r\n/);
});

test("the server saw what was allowed and nothing else", async () => {
  const log = (await lab.ok("kubectl logs server")).trim().split("\n");
  expect(log.filter((line) => !line.endsWith("/start"))).toEqual([
    "POST /v1/request-landing",
    "POST /v1/request-landing",
  ]);
});

test("hubble shows the version", async () => {
  const seen = await lab.ok("hubble observe --type l7 --last 100 --to-pod default/server");
  const from = String.raw`default/far:\d+ \(ID:\d+\) -> default/server:80 \(ID:\d+\) http-request`;
  expect(seen).toMatch(new RegExp(`${from} FORWARDED \\(HTTP/2 POST http://${server}/v1/request-landing\\)`));
  expect(seen).toMatch(new RegExp(`${from} DROPPED \\(HTTP/2 PUT http://${server}/v1/exhaust-port\\)`));
});

test("a stream that is open ends when the policy would no longer open it", async () => {
  const held = lab.watch(
    `kubectl exec far -- curl -sS -N -m 20 --http2-prior-knowledge -X POST http://${server}/slow 2>&1`,
  );
  await held.until(/landed/, 10_000);
  await apply(policy("/v1/request-landing"));
  await held.until(/HTTP\/2 stream 1 was not closed cleanly: CANCEL/, 10_000);
});
