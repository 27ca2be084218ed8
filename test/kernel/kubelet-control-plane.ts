/** Run inside the test's node namespace: an API server and controllers. Prints the port of the host's loopback socket. */
import { startControllers } from "../../src/controllers/index.ts";
import { connect } from "../../src/kube/client/index.ts";
import { createApiServer } from "../../src/kube/server/api-server.ts";
import { openListener } from "../../src/runtime/netns-socket.ts";

const [directory = "", hostNetns = "", host = ""] = process.argv.slice(2);
const fd = openListener({ netnsPath: hostNetns, host: "127.0.0.1", port: 0 });
const server = await createApiServer({
  store: ":memory:",
  certificates: directory,
  listeners: [{ fd }, { host, port: 6443 }],
  serverNames: [host],
});
const { cert, key } = server.authority.client("controllers", "system:kube-controller-manager", ["system:masters"]);
const client = connect({ server: `https://${host}:6443`, ca: server.authority.ca, cert, key });
await startControllers(client, { rootCertificate: server.authority.ca });
process.stdout.write(`${server.ports[0]}\n`);
process.on("disconnect", () => process.exit(0));
