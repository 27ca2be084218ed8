/** Main of the cluster's DNS server, run in a pod: `coredns [--domain cluster.local] [--world]`. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { parseArgs } from "node:util";
import type { EndpointSliceObject, ServiceObject } from "../dns/cluster-services.ts";
import { startDnsServer } from "../dns/server.ts";
import {
  connect,
  createInformer,
  EndpointSlices,
  type KubeObject,
  type ListWatchClient,
  Services,
} from "../kube/client/index.ts";
import { CLUSTER_DOMAIN, KUBERNETES_SERVICE_IP } from "../model/addresses.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

process.title = "coredns";

function log(line: string): void {
  process.stdout.write(`${new Date().toISOString()} coredns: ${line}\n`);
}

function apiServer(): string {
  const host = process.env["KUBERNETES_SERVICE_HOST"] ?? KUBERNETES_SERVICE_IP;
  const port = process.env["KUBERNETES_SERVICE_PORT"] ?? "443";
  return `https://${host}:${port}`;
}

/** The kubelet renews the token in its file long before it expires: each list and watch uses that of its moment. */
function accountClient(server: string): ListWatchClient {
  const ca = readFileSync(`${ACCOUNT}/ca.crt`, "utf8");
  let known: { readonly token: string; readonly client: ListWatchClient } | undefined;
  const current = (): ListWatchClient => {
    const token = readFileSync(`${ACCOUNT}/token`, "utf8").trim();
    if (known?.token !== token) known = { token, client: connect({ server, ca, token }) };
    return known.client;
  };
  return {
    list: (ref, options) => current().list(ref, options),
    watch: (ref, options) => current().watch(ref, options),
  };
}

/** The lab is of both families: this pod has a global IPv6 address. */
function hasIpv6(): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  return addresses.some(
    ({ family, internal, address }) => family === "IPv6" && !internal && !address.startsWith("fe80:"),
  );
}

const { values } = parseArgs({
  options: { domain: { type: "string", default: CLUSTER_DOMAIN }, world: { type: "boolean", default: false } },
});
const server = apiServer();
const client = accountClient(server);
const dns = await startDnsServer({
  domain: values.domain,
  ...(values.world && { world: { ipv6: hasIpv6() } }),
  host: "0.0.0.0",
  port: 53,
  healthPort: 8080,
  readyPort: 8181,
});
log(`serving ${values.domain} on port 53, from ${server}`);

const onError = (error: unknown) => log(`API server: ${error instanceof Error ? error.message : String(error)}`);
const services = createInformer(client, Services, { onError });
const slices = createInformer(client, EndpointSlices, { onError });
const asService = (object: KubeObject) => object as unknown as ServiceObject;
const asSlice = (object: KubeObject) => object as unknown as EndpointSliceObject;
services.on({
  onAdd: (object) => dns.services.setService(asService(object)),
  onUpdate: (_, object) => dns.services.setService(asService(object)),
  onDelete: (object) => dns.services.deleteService(asService(object)),
});
slices.on({
  onAdd: (object) => dns.services.setEndpointSlice(asSlice(object)),
  onUpdate: (_, object) => dns.services.setEndpointSlice(asSlice(object)),
  onDelete: (object) => dns.services.deleteEndpointSlice(asSlice(object)),
});
await Promise.all([services.start(), slices.start()]);
dns.markReady();
log("ready");
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
