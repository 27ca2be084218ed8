import type { CommandNode, Tree } from "../cobra/node.ts";
import { ABSENT } from "./absent.ts";
import { BGP } from "./bgp.ts";
import { BPF } from "./bpf.ts";
import { CONFIG } from "./config.ts";
import { DEBUGINFO } from "./debuginfo.ts";
import { ENDPOINT } from "./endpoint.ts";
import { FQDN } from "./fqdn.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { IDENTITY } from "./identity.ts";
import { IP } from "./ip.ts";
import { LOADINFO, TROUBLESHOOT } from "./machine.ts";
import { MAP } from "./map.ts";
import { METRICS } from "./metrics.ts";
import { MISSING } from "./missing.ts";
import { MONITOR_FLAGS, MONITOR_HELP, monitor } from "./monitor.ts";
import { NODE, NODE_ID } from "./node.ts";
import { POLICY } from "./policy.ts";
import { SERVICE } from "./service.ts";
import { SHELL } from "./shell.ts";
import { STATUS } from "./status.ts";
import { VERSION } from "./version.ts";

const MONITOR: CommandNode = {
  name: "monitor",
  short: "Display BPF program events",
  long: MONITOR_HELP,
  noWords: true,
  flags: MONITOR_FLAGS,
  run: ({ flags, signal }) => monitor(flags, signal),
};

/** `cilium` and `cilium-dbg`: one command, which calls itself by upstream's name. */
export const CILIUM_TREE: Tree = {
  layout: "plain",
  root: {
    name: "cilium-dbg",
    short: "CLI",
    long: "CLI for interacting with the local Cilium Agent",
    commands: [
      ...[
        BGP,
        BPF,
        CONFIG,
        DEBUGINFO,
        ENDPOINT,
        FQDN,
        IDENTITY,
        IP,
        MAP,
        METRICS,
        MONITOR,
        NODE,
        NODE_ID,
        POLICY,
        SERVICE,
        SHELL,
        STATUS,
      ],
      ...[LOADINFO, TROUBLESHOOT, VERSION, ...ABSENT, ...MISSING],
    ],
  },
  global: { title: "Global", flags: GLOBAL_FLAGS },
  persistent: [],
};
