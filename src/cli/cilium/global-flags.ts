import type { FlagSpec } from "../cobra/flags.ts";

/** What every command takes. As with upstream's, the environment may say the same: CILIUM_HOST and CILIUM_DEBUG. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    ...{ name: "debug", short: "D", kind: "bool", help: "Enable debug messages" },
    set: (value) => {
      process.env["CILIUM_DEBUG"] = value;
    },
  },
  {
    ...{ name: "host", short: "H", kind: "string", help: "URI to server-side API" },
    set: (value) => {
      process.env["CILIUM_HOST"] = value;
    },
  },
];
