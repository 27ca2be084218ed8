/** A Prometheus reads a lab: flows, agents and the relay; and flows go to a file. One lab for all of it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { TestLab, type Watch } from "../support/lab.ts";

const lab = new TestLab(`m${process.pid}`);
const scratch = mkdtempSync(join(tmpdir(), "sgt-metrics-"));
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const [server, promtool] = [oracle("prometheus"), oracle("promtool")];

/** The node of the deathstar that is asked, where its policy is judged. */
let node = "";
const settings = (data: Readonly<Record<string, string>>) =>
  lab.ok(`kubectl -n kube-system patch configmap cilium-config --type merge -p '${JSON.stringify({ data })}'`);
const metrics = async (...args: string[]) => (await lab.shieldgate("metrics", ...args)).stdout;

beforeAll(async () => {
  await lab.up();
  await settings({
    "hubble-export-file-path": "/var/run/cilium/hubble/events.log",
    "hubble-export-allowlist": '{"verdict":["DROPPED"]}',
    "hubble-export-fieldmask": "source.pod_name verdict",
  });
  await lab.ok("kubectl apply -f http-sw-app.yaml && kubectl scale deployment deathstar --replicas=1");
  await lab.ok("kubectl rollout status deployment deathstar");
  await lab.ok("kubectl wait --for=condition=Ready pod xwing tiefighter --timeout=30s");
  await lab.eventually("kubectl get pod -l class=deathstar -o name | wc -l", /^1$/m);
  node = await lab.ok("kubectl get pod -l class=deathstar -o jsonpath='{.items[0].spec.nodeName}'");
  await lab.ok("kubectl apply -f sw_l3_l4_l7_policy.yaml");
  const ask = (pod: string, rest: string) =>
    `kubectl exec ${pod} -- curl -s -m 2 -H 'traceparent: 00-${TRACE}-b7ad6b7169203331-01' ${rest}`;
  await lab.eventually(ask("tiefighter", "-XPUT deathstar.default.svc.cluster.local/v1/exhaust-port"), /Access denied/);
  await lab.ok(ask("tiefighter", "-XPOST deathstar.default.svc.cluster.local/v1/request-landing"));
  await lab.sh(ask("xwing", "-XPOST deathstar.default.svc.cluster.local/v1/request-landing"));
});
afterAll(async () => {
  await lab.down();
  rmSync(scratch, { recursive: true });
});

test("a node's flows, its agent and the relay are read with one command", async () => {
  await expect
    .poll(() => metrics("hubble", "--node", node))
    .toMatch(/^hubble_drop_total\{reason="POLICY_DENIED",protocol="TCP"\} [1-9]/m);
  const flows = await metrics("hubble", "--node", node);
  expect(flows).toMatch(
    /^hubble_http_requests_total\{.*destination_workload="deathstar".*status="403",reporter="server"\} [1-9]/m,
  );
  expect(flows).toMatch(
    /^hubble_policy_verdicts_total\{direction="ingress",match="l7\/http",action="dropped"\} [1-9]/m,
  );
  const agent = await metrics("agent", "--node", node);
  expect(agent).toMatch(/^cilium_policy_l7_total\{rule="denied",proxy_type="envoy"\} [1-9]/m);
  expect(agent).toMatch(/^cilium_drop_count_total\{reason="Policy denied",direction="INGRESS"\} [1-9]/m);
  expect(agent).toMatch(/^cilium_bpf_maps_virtual_memory_max_bytes [1-9]\d{5}/m);
  expect(agent).toMatch(/^cilium_bpf_progs [1-9]/m);
  expect(agent).toMatch(
    /^cilium_bpf_map_ops_total\{map_name="sg_policy",operation="update",outcome="success"\} [1-9]/m,
  );
  expect(agent).toMatch(/^cilium_bpf_syscall_duration_seconds_count\{operation="lookup",outcome="success"\} [1-9]/m);
  expect(agent).toMatch(/^cilium_proxy_redirects\{protocol_l7="http"\} 1$/m);
  expect(agent).toMatch(/^cilium_policy_endpoint_enforcement_status\{enforcement="ingress"\} 1$/m);
  expect(agent).toMatch(
    /^cilium_agent_api_process_time_seconds_count\{path="\/v1\/endpoint",method="PUT",return_code="20\d"\} [1-9]/m,
  );
  const proxy = await metrics("proxy", "--node", node);
  expect(proxy).toMatch(/^envoy_http_downstream_rq_xx\{envoy_response_code_class="4",.*\} [1-9]/m);
  expect(proxy).toMatch(/^envoy_cluster_upstream_rq_total\{envoy_cluster_name="ingress-cluster"\} [1-9]/m);
  expect(proxy).toMatch(/^envoy_server_live 1$/m);
  await lab.ok("hubble status");
  expect(await metrics("relay")).toMatch(/^hubble_relay_pool_peer_connection_status\{status="READY"\} 3$/m);
  expect((await lab.shieldgate("metrics", "nobody")).stderr).toContain("write one of hubble, agent, proxy, relay");
});

test("pods read them too, and OpenMetrics has the traces of requests", async () => {
  const address = await lab.ok(`kubectl get node ${node} -o jsonpath='{.status.addresses[0].address}'`);
  const url = `http://${address}:9965/metrics`;
  const text = await lab.ok(`kubectl exec xwing -- curl -s -H 'Accept: application/openmetrics-text' ${url}`);
  expect(text).toMatch(new RegExp(`^hubble_http_requests_total\\{.*\\} \\d+ # \\{traceID="${TRACE}"\\} 1 `, "m"));
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("flows go to the file that the settings name, with the fields that they name", async () => {
  const select = `-n kube-system -l k8s-app=cilium --field-selector spec.nodeName=${node}`;
  const pod = (await lab.ok(`kubectl get pod ${select} -o name`)).trim();
  const read = `kubectl exec -n kube-system ${pod} -c cilium-agent -- cat /var/run/cilium/hubble/events.log`;
  const text = await lab.eventually(read, /xwing[\s\S]*\n/);
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { flow: Record<string, unknown> });
  expect(new Set(lines.map(({ flow }) => flow["verdict"]))).toEqual(new Set(["DROPPED"]));
  expect(lines[0]).toEqual({ flow: { source: { pod_name: expect.any(String) }, verdict: "DROPPED" } });
});

describe.skipIf("missing" in server)(`with Prometheus${skipNote(server)}`, () => {
  let prometheus: Watch;
  beforeAll(async () => {
    const configuration = join(scratch, "prometheus.yml");
    await lab.ok(
      `${join(import.meta.dirname, "../../bin/shieldgate")} --name ${lab.name} metrics --scrape-config >${configuration}`,
    );
    const options = ["--config.file", configuration, "--storage.tsdb.path", join(scratch, "data")];
    const features = ["--web.listen-address", "127.0.0.1:9090", "--enable-feature", "exemplar-storage"];
    prometheus = lab.watch(`world ${"path" in server && server.path} ${[...options, ...features].join(" ")} 2>&1`);
    await prometheus.until(/Server is ready to receive web requests/, 20_000);
  });
  afterAll(() => prometheus.stop());

  const query = async (expression: string, api = "query") => {
    const url = `'http://127.0.0.1:9090/api/v1/${api}?query=${encodeURIComponent(expression)}'`;
    return (JSON.parse(await lab.ok(`world curl -s ${url}`)) as { data: unknown }).data;
  };
  const value = async (expression: string) =>
    Number(((await query(expression)) as { result: { value: [number, string] }[] }).result[0]?.value[1]);

  test("it finds every target, and understands what it reads", async () => {
    await expect.poll(() => value("sum(up)"), { timeout: 30_000 }).toBe(10);
    expect(await value("count(up)")).toBe(10);
    expect(await value('sum(hubble_drop_total{reason="POLICY_DENIED"})')).toBeGreaterThan(0);
    expect(await value("count(cilium_version)")).toBe(3);
    expect(
      await value('sum(cilium_endpoint_regeneration_time_stats_seconds_bucket{le="+Inf",scope="total"})'),
    ).toBeGreaterThan(0);
    const start = "&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z";
    const found = await lab.ok(
      `world curl -s 'http://127.0.0.1:9090/api/v1/query_exemplars?query=hubble_http_requests_total${start}'`,
    );
    expect(found).toContain(`"traceID":"${TRACE}"`);
  });

  test.each([["hubble"], ["agent"], ["proxy"], ["relay"]])(
    "promtool has no complaint about what is read of %s",
    async (of) => {
      const text = await metrics(of, "--node", node);
      const checked = spawnSync("path" in promtool ? promtool.path : "", ["check", "metrics"], {
        input: text,
        encoding: "utf8",
      });
      expect(`${checked.stdout}${checked.stderr}`).toBe("");
    },
  );
});
