import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { loopbackDatagrams } from "../../test/support/loopback-datagrams.ts";
import { loopbackSockets, policyOf } from "../../test/support/loopback-proxy.ts";
import { bootstrapConfig, parseBootstrap } from "./bootstrap.ts";
import { type NodeProxy, startProxy } from "./proxy.ts";
import { createPolicyDiscovery } from "./xds-server.ts";

let proxy: NodeProxy | undefined;
const directory = mkdtempSync(join(tmpdir(), "sgt-f-"));
afterEach(async () => {
  await proxy?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("what is generated is read back", () => {
  expect(parseBootstrap(bootstrapConfig({ connectTimeoutSeconds: 1.5 }))).toEqual({
    node: { id: "host~127.0.0.1~no-id~localdomain", cluster: "ingress-cluster" },
    adminPath: "/var/run/cilium/envoy/sockets/admin.sock",
    xdsPath: "/var/run/cilium/envoy/sockets/xds.sock",
    connectTimeoutMs: { ingress: 1500, egress: 1500 },
    metrics: { host: "0.0.0.0", port: 9964 },
  });
});

test.each([
  [{ layeredRuntime: {} }, "bootstrap.layeredRuntime: not honoured"],
  [{ admin: { address: { socketAddress: {} } } }, "admin.address.socketAddress: not honoured"],
  [{ admin: undefined }, "admin: must be an object"],
  [{ staticResources: { clusters: [{ name: "other" }] } }, 'cluster "other" is not used'],
  [{ staticResources: { clusters: [], listeners: [{ name: "other" }] } }, "listeners[0].name: only"],
  [{ staticResources: { clusters: [] } }, "xds-grpc-cilium: must be an object"],
])("a bootstrap with %j is refused by name", (change, message) => {
  expect(() => parseBootstrap({ ...bootstrapConfig(), ...change })).toThrow(message);
});

function get(socketPath: string, path: string, method = "GET"): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode!, body }));
    });
    asked.on("error", reject).end();
  });
}

test("the admin socket tells the truth before and after the agent came", async () => {
  const adminPath = join(directory, "sockets/admin.sock");
  const xdsPath = join(directory, "sockets/xds.sock");
  const bootstrap = bootstrapConfig({ adminPath, xdsPath });
  const origins = { lookup: () => undefined, follow: () => () => undefined };
  proxy = await startProxy({
    bootstrap,
    version: "v0",
    origins,
    sockets: loopbackSockets(() => 0),
    datagrams: loopbackDatagrams(() => 0),
    log: () => undefined,
  });
  expect(await get(adminPath, "/ready")).toMatchObject({ status: 503 });
  expect(JSON.parse((await get(adminPath, "/config_dump")).body).configs[0].bootstrap).toEqual(bootstrap);
  expect((await get(adminPath, "/listeners")).body).toBe("");
  const discovery = await createPolicyDiscovery({ socketPath: xdsPath, onAccessRecord: () => undefined });
  const policy = policyOf({
    http: [{ headerMatches: [{ name: "a", secret: "n/s" }] }],
    deny: false,
    precedence: 0,
    origin: 0,
  });
  await discovery.publish({ ...policy, secrets: new Map([["n/s", "s3cr3t"]]) });
  expect(await get(adminPath, "/ready")).toEqual({ status: 200, body: "LIVE\n" });
  expect((await get(adminPath, "/listeners")).body).toBe("871/ingress:TCP:80::0.0.0.0:10000\n");
  expect(JSON.parse((await get(adminPath, "/config_dump")).body).configs[2].policies).toEqual([
    { ...policy, secrets: undefined },
  ]);
  expect((await get(adminPath, "/clusters")).body).toContain("connected::true");
  expect((await get(adminPath, "/stats")).body).toContain("listeners.active: 1\n");
  expect((await get(adminPath, "/stats?filter=%5Elisteners")).body).toBe("listeners.active: 1\n");
  expect(JSON.parse((await get(adminPath, "/stats?filter=active$&format=json")).body)).toEqual({
    stats: [
      { name: "listeners.active", value: 1 },
      { name: "connections.active", value: 0 },
    ],
  });
  expect(JSON.parse((await get(adminPath, "/listeners?format=json")).body)).toEqual({
    listener_statuses: [
      {
        name: "871/ingress:TCP:80",
        local_address: { socket_address: { address: "0.0.0.0", port_value: 10_000 } },
      },
    ],
  });
  for (const asked of [
    "/stats?filter=(",
    "/stats?format=xml",
    "/stats?format=prometheus&filter=a",
    "/stats?x",
    "/config_dump?mask=x",
  ])
    expect((await get(adminPath, asked)).status, asked).toBe(400);
  expect((await get(adminPath, "/stats?usedonly")).body).toBe("listeners.active: 1\n");
  expect((await get(adminPath, "/stats/prometheus")).status, "nobody counts for it here").toBe(404);
  expect(await get(adminPath, "/ready", "HEAD")).toEqual({ status: 200, body: "" });
  expect((await get(adminPath, "/ready", "PUT")).status).toBe(405);
  expect(JSON.parse((await get(adminPath, "/server_info")).body).state).toBe("LIVE");
  expect((await get(adminPath, "/quitquitquit")).status).toBe(404);
  await discovery.close();
});
