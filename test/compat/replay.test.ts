import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, TestLab } from "../support/lab.ts";

/** What is said of a candidate before it is applied is what the kernel and the proxy do when it is. */

const lab = new TestLab(`p${process.pid}`);
const CANDIDATE = join(ROOT, "examples/01-star-wars/sw_l3_l4_l7_policy.yaml");
const SEE = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: see}
spec:
  endpointSelector: {matchLabels: {class: deathstar}}
  ingress: [{fromEntities: [all], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}]}]
`;
const MORE = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: more, namespace: default}
spec:
  endpointSelector: {matchLabels: {class: deathstar}}
  ingress: [{fromEndpoints: [{matchLabels: {class: xwing}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]
`;
const PODS = ["tiefighter", "xwing"] as const;
const REQUESTS = ["POST /v1/request-landing", "PUT /v1/exhaust-port", "GET /v1/"] as const;

let folder = "";
const path = (name: string) => join(folder, name);
const shieldgate = `${join(ROOT, "bin/shieldgate")} policy`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shieldgate-replay-"));
  writeFileSync(path("see.yaml"), SEE);
  writeFileSync(path("more.yaml"), MORE);
  await lab.up();
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await lab.ok("kubectl rollout status deployment/deathstar --timeout=30s");
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true });
});

/** Makes every connection; `tiefighter PUT /v1/exhaust-port` -> allowed or denied. */
async function connectAll(): Promise<Record<string, string>> {
  const all = PODS.flatMap((pod) => REQUESTS.map((request) => ({ pod, request })));
  const outcomes = await Promise.all(
    all.map(async ({ pod, request }) => {
      const [method, route] = request.split(" ");
      const curl = `curl -s -o /dev/null -w '%{http_code}' --max-time 2 -X${method} deathstar.default.svc.cluster.local${route}`;
      const { stdout } = await lab.sh(`kubectl exec ${pod} -- ${curl}`);
      return [`${pod} ${request}`, ["000", "403"].includes(stdout) ? "denied" : "allowed"] as const;
    }),
  );
  return Object.fromEntries(outcomes);
}

interface ReplayedJson {
  readonly flows: readonly {
    from: { title: string };
    to: { title: string };
    request?: string;
    port: number;
    after: string;
  }[];
  readonly disagreements: number;
}

async function replayed(recording: string, options: string): Promise<ReplayedJson> {
  return JSON.parse(await lab.ok(`${shieldgate} replay ${path(recording)} ${options} -o json`)) as ReplayedJson;
}

describe("recorded connections", () => {
  const state: { first: Record<string, string>; predicted: Record<string, string> } = { first: {}, predicted: {} };

  test("are recorded, rehearsed as they happen, and replayed under a candidate", async () => {
    await lab.ok(`kubectl apply -f ${path("see.yaml")}`);
    const rehearsal = lab.watch(`${shieldgate} rehearse --replace --since 1s -f ${CANDIDATE}`);
    await rehearsal.until(/following /);
    state.first = await connectAll();
    expect(new Set(Object.values(state.first))).toEqual(new Set(["allowed"]));
    await rehearsal.until(
      /^CLOSED default\/pod\/tiefighter -> default\/deployment\/deathstar:80\/tcp {2}PUT \/v1\/exhaust-port$/m,
    );
    await rehearsal.until(
      /^CLOSED default\/pod\/xwing -> default\/deployment\/deathstar:80\/tcp {2}POST \/v1\/request-landing$/m,
    );
    expect(rehearsal.text).not.toMatch(/CLOSED default\/pod\/tiefighter.*POST/);
    rehearsal.stop();
    await lab.ok(`hubble observe --all -o jsonpb > ${path("first.jsonl")}`);
    const { flows } = await replayed("first.jsonl", `-f ${CANDIDATE}`);
    for (const { from, to, request, after } of flows)
      if (request !== undefined && to.title === "default/deployment/deathstar")
        state.predicted[`${from.title.split("/").at(-1)} ${request}`] = after;
    expect(Object.keys(state.predicted).sort()).toEqual(Object.keys(state.first).sort());
    expect(new Set(Object.values(state.predicted))).toEqual(new Set(["allowed", "denied"]));
    await lab.ok(
      `${shieldgate} suggest ${path("first.jsonl")} --for deploy/deathstar --for tiefighter > ${path("suggested.yaml")}`,
    );
  });

  test("meet under the candidate what replay said, and the engine agrees with every recorded verdict", async () => {
    await lab.ok("kubectl delete cnp see");
    await lab.ok(`kubectl apply -f ${CANDIDATE}`);
    const since = (await lab.ok("date -u +%Y-%m-%dT%H:%M:%S.%NZ")).trim();
    // beside what is enforced, one more rule would open what stays closed
    // and the lab may be any context of any file: the relay is found by its credentials
    await lab.ok(
      `kubectl config view --raw > ${path("foreign")} && kubectl config --kubeconfig ${path("foreign")} rename-context "$(kubectl config current-context)" prod && kubectl config --kubeconfig ${path("foreign")} unset current-context`,
    );
    const opening = lab.watch(
      `env -u KUBECONFIG ${shieldgate} rehearse --kubeconfig ${path("foreign")} --context prod --since 1s -f ${path("more.yaml")}`,
    );
    await opening.until(/following .*beside what is enforced/);
    expect(await connectAll()).toEqual(state.predicted);
    await opening.until(
      /^OPENED default\/pod\/xwing -> default\/deployment\/deathstar:80\/tcp\n.*\n {6}CiliumNetworkPolicy default\/more {2}spec.ingress\[0\]/m,
    );
    expect(opening.text).not.toMatch(/CLOSED|OPENED default\/pod\/tiefighter/);
    opening.stop();
    await lab.ok(`hubble observe --since ${since} -o jsonpb > ${path("second.jsonl")}`);
    const second = await replayed("second.jsonl", `-f ${CANDIDATE} --before ${CANDIDATE}`);
    expect(second.flows.filter(({ port }) => port === 80).length).toBeGreaterThan(4);
    expect(second.disagreements).toBe(0);
  });

  test("are all let in by the policies that were suggested for them, and nothing else is", async () => {
    await lab.ok(`kubectl delete -f ${CANDIDATE}`);
    await lab.ok(`kubectl apply -f ${path("suggested.yaml")}`);
    expect(await connectAll()).toEqual(state.first);
    const other = await lab.sh(
      "kubectl exec xwing -- curl -s -o /dev/null -w '%{http_code}' --max-time 2 -XDELETE deathstar.default.svc.cluster.local/v1/",
    );
    expect(other.stdout).toBe("403");
  });
});
