/** An API server of its own process, to be killed: `DIRECTORY PORT`; says `ready PORT` when it listens. */
import { join } from "node:path";
import { createApiServer } from "../../src/kube/server/api-server.ts";

const [, , directory = "", port = "0"] = process.argv;
const server = await createApiServer({
  store: join(directory, "store.db"),
  certificates: join(directory, "pki"),
  listeners: [{ host: "127.0.0.1", port: Number(port) }],
  definitions: [],
});
console.log(`ready ${server.ports[0]}`);
