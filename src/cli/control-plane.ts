/** The control plane of a lab: API server, controllers, Cilium's operator part, and the objects of kube-system. */
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { startControllers } from "../controllers/index.ts";
import { connect, type KubeClient, KubeError } from "../kube/client/index.ts";
import { createApiServer } from "../kube/server/api-server.ts";
import { admissionAdvice, admissionErrors } from "../lab/admission.ts";
import { buildStamp } from "../lab/build-stamp.ts";
import { proxyBootstrap } from "../lab/configuration.ts";
import { systemManifests } from "../lab/manifests.ts";
import { policyErrors } from "../lab/policy-admission.ts";
import { SERVICE_CIDR } from "../model/addresses.ts";
import { openListener } from "../runtime/netns-socket.ts";

process.title = "shieldgate-control-plane";

const { values } = parseArgs({
  options: {
    database: { type: "string" },
    pki: { type: "string" },
    listen: { type: "string" },
    "host-listen": { type: "string" },
    "host-netns": { type: "string" },
    "service-cidr": { type: "string", default: SERVICE_CIDR },
  },
});

function needed(name: keyof typeof values): string {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}

function address(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

/** Creates what is missing of kube-system; what a user changed there stays. */
async function install(client: KubeClient): Promise<void> {
  const refs: Record<string, string> = {
    ServiceAccount: "/api/v1/namespaces/kube-system/serviceaccounts",
    ConfigMap: "/api/v1/namespaces/kube-system/configmaps",
    Service: "/api/v1/namespaces/kube-system/services",
    Deployment: "/apis/apps/v1/namespaces/kube-system/deployments",
    DaemonSet: "/apis/apps/v1/namespaces/kube-system/daemonsets",
  };
  await Promise.all(
    systemManifests(packageJson.version, proxyBootstrap()).map(async (manifest) => {
      const path = refs[manifest.kind]!;
      // Asked for first: a service that is there already has the address that it would be refused for.
      const isMissing = await client.raw("GET", `${path}/${manifest.metadata.name}`).then(
        () => false,
        (error: unknown) => {
          if (error instanceof KubeError && error.reason === "NotFound") return true;
          throw error;
        },
      );
      if (isMissing) await client.raw("POST", path, manifest);
    }),
  );
}

const inside = address(needed("listen"));
const outside = openListener({ netnsPath: needed("host-netns"), ...address(needed("host-listen")) });
const server = await createApiServer({
  store: needed("database"),
  certificates: needed("pki"),
  program: Number.parseInt(buildStamp(dirname(import.meta.dirname)).slice(0, 7), 16) || 0,
  listeners: [{ fd: outside }, inside],
  serviceCidrs: needed("service-cidr").split(","),
  admission: [(operation, _, object) => (operation === "DELETE" ? undefined : admissionErrors(object))],
  advice: [(_, object) => admissionAdvice(object)],
});
const { cert, key } = server.authority.client("controllers", "system:kube-controller-manager", ["system:masters"]);
const client = connect({ server: `https://${inside.host}:${inside.port}`, ca: server.authority.ca, cert, key });
await install(client);
const controllers = await startControllers(client, {
  rootCertificate: server.authority.ca,
  validatePolicy: (object) => {
    const errors = policyErrors(object).map((error) => `${error.field}: ${error.message}`);
    return errors.length === 0 ? { ok: true } : { ok: false, errors };
  },
});
process.on("SIGTERM", () => {
  controllers
    .stop()
    .then(() => server.close())
    .finally(() => process.exit(0));
});
