import { expect, test } from "vitest";
import { expositionFaults } from "../../test/support/exposition-faults.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { addEnvoyMetrics, type ProxyStatus } from "./envoy.ts";
import { exposition } from "./exposition.ts";
import { Registry } from "./registry.ts";

const STATUS: ProxyStatus = {
  initialized: true,
  connected: true,
  uptimeSeconds: 12.9,
  listeners: [
    { port: 10_000, connections: 2 },
    { port: 10_001, connections: 1 },
  ],
  lostRecords: 4,
};

const base = { direction: "ingress", method: "GET", status: 0, latencyMs: 0 } as AccessRecord;
const request = (verdict: AccessRecord["verdict"], init: Partial<AccessRecord> = {}): AccessRecord => ({
  ...base,
  type: "request",
  verdict,
  ...init,
});
const response = (status: number, latencyMs: number, init: Partial<AccessRecord> = {}): AccessRecord => ({
  ...base,
  type: "response",
  verdict: "forwarded",
  status,
  latencyMs,
  ...init,
});

function served(status: () => ProxyStatus, records: readonly AccessRecord[]): { lines: string[]; text: () => string } {
  const registry = new Registry();
  const count = addEnvoyMetrics(registry, status);
  for (const record of records) count(record);
  const text = () => exposition(registry, "prometheus");
  return { lines: text().split("\n"), text };
}

test("requests and answers are counted as Envoy counts them", () => {
  const dns = {} as NonNullable<AccessRecord["dns"]>;
  const { lines } = served(
    () => STATUS,
    [
      ...[request("forwarded"), response(200, 3)],
      ...[request("forwarded", { direction: "egress" }), response(503, 40, { verdict: "error" })],
      ...[request("denied"), response(403, 0)],
      // bytes that were no request, and a connection that asked nothing
      ...[request("error", { method: "" }), response(400, 0, { method: "" }), request("error", { method: "" })],
      response(0, 0),
      ...[request("forwarded", { tls: { protocols: [] } }), request("denied", { dns }), response(0, 5, { dns })],
    ],
  );
  const manager = 'envoy_http_conn_manager_prefix="proxy"';
  for (const line of [
    `envoy_http_downstream_rq_total{${manager}} 4`,
    `envoy_http_downstream_rq_xx{envoy_response_code_class="2",${manager}} 1`,
    `envoy_http_downstream_rq_xx{envoy_response_code_class="3",${manager}} 0`,
    `envoy_http_downstream_rq_xx{envoy_response_code_class="4",${manager}} 2`,
    `envoy_http_downstream_rq_xx{envoy_response_code_class="5",${manager}} 1`,
    `envoy_http_downstream_rq_time_bucket{${manager},le="1"} 3`,
    `envoy_http_downstream_rq_time_bucket{${manager},le="5"} 4`,
    `envoy_http_downstream_rq_time_sum{${manager}} 43`,
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="ingress-cluster"} 1',
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="egress-cluster"} 1',
    'shieldgate_proxy_dns_questions_total{verdict="denied"} 1',
    'shieldgate_proxy_dns_questions_total{verdict="forwarded"} 0',
    "shieldgate_proxy_access_records_lost_total 4",
  ]) {
    expect(lines).toContain(line);
  }
});

test("what is served keeps the rules of the text form", () => {
  const { text } = served(() => STATUS, [request("forwarded"), response(200, 3), response(503, 70), request("denied")]);
  expect(text()).toContain("envoy_http_downstream_rq_xx{");
  expect(text()).toContain("envoy_http_downstream_rq_time_bucket{");
  expect(expositionFaults(text())).toEqual([]);
});

test("state, listeners and connections are those of now", () => {
  let status = STATUS;
  const { lines, text } = served(() => status, []);
  expect(lines).toContain("envoy_server_live 1");
  expect(lines).toContain("envoy_server_state 0");
  expect(lines).toContain("envoy_server_uptime 12");
  expect(lines).toContain("envoy_server_total_connections 3");
  expect(lines).toContain('envoy_listener_downstream_cx_active{envoy_listener_address="0.0.0.0_10000"} 2');
  expect(lines).toContain("envoy_listener_manager_total_listeners_active 2");
  status = { ...STATUS, initialized: false, connected: false, listeners: [{ port: 10_001, connections: 0 }] };
  const later = text();
  expect(later).toContain("envoy_server_state 2\n");
  expect(later).toContain("envoy_control_plane_connected_state 0\n");
  expect(later).not.toContain("0.0.0.0_10000");
});
