/** One agent's channel and its proxy, with real sockets, in the namespace where this runs: prints the port of each redirect. */

import { bootstrapConfig } from "../../src/proxy/bootstrap.ts";
import { transparentDatagrams } from "../../src/proxy/datagrams.ts";
import { startProxy } from "../../src/proxy/proxy.ts";
import { transparentSockets } from "../../src/proxy/sockets.ts";
import { createPolicyDiscovery } from "../../src/proxy/xds-server.ts";

const [directory = ""] = process.argv.slice(2);
const xdsPath = `${directory}/xds.sock`;
const discovery = await createPolicyDiscovery({ socketPath: xdsPath, onAccessRecord: () => undefined });
await startProxy({
  bootstrap: bootstrapConfig({ adminPath: `${directory}/admin.sock`, xdsPath }),
  version: "test",
  origins: { lookup: () => undefined, follow: () => () => undefined },
  sockets: transparentSockets(),
  datagrams: transparentDatagrams(),
  log: (line) => process.stderr.write(`${line}\n`),
});
const everything = [{ deny: false, precedence: 0, origin: 0 }];
const redirect = { direction: "egress", port: 80, rules: everything } as const;
const ports = await discovery.publish({
  endpointId: 1,
  endpointIp: "10.0.0.1",
  secrets: new Map(),
  revision: 1,
  redirects: [
    { ...redirect, key: "http", protocol: 6, parser: "http" },
    { ...redirect, key: "tls", protocol: 6, parser: "tls" },
    { ...redirect, key: "dns", protocol: 17, parser: "dns" },
    { ...redirect, key: "dns over TCP", protocol: 6, parser: "dns" },
  ],
});
process.stdout.write(`${JSON.stringify([...ports.values()])}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
