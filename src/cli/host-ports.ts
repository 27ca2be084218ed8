/**
 * Main of the way out: `host-ports --address IP... --port N... --host-netns PATH`, in the lab's world. See src/lab/host-ports.ts.
 */
import { parseArgs } from "node:util";
import { serveHostPorts } from "../lab/host-ports.ts";

process.title = "shieldgate-host-ports";
const { values } = parseArgs({
  options: {
    address: { type: "string", multiple: true, default: [] },
    port: { type: "string", multiple: true, default: [] },
    "host-netns": { type: "string", default: "/proc/1/ns/net" },
  },
});
serveHostPorts({
  addresses: values.address,
  ports: values.port.map(Number),
  hostNetns: values["host-netns"],
  log: (message) => process.stderr.write(`${new Date().toISOString()} host-ports: ${message}\n`),
});
