import { type FlagSpec, UsageError } from "../cobra/flags.ts";

/** A flag of upstream's that there is not here, with what to do instead. */
export function refused(name: string, kind: FlagSpec["kind"], help: string, instead: string): FlagSpec {
  const set = () => {
    throw new UsageError(`--${name} is not here: ${instead}`);
  };
  return { name, kind, help, set };
}

const UNLOGGED = "what the command has to say is on its standard error: redirect that";

/** What every command takes. As with upstream's, the environment may say the same: CILIUM_HOST and CILIUM_DEBUG. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  refused(
    "config",
    "string",
    "Config file (default is $HOME/.cilium.yaml)",
    "say --host and --debug, or CILIUM_HOST and CILIUM_DEBUG",
  ),
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
  refused("log-driver", "strings", "Logging endpoints to use (example: syslog)", UNLOGGED),
  {
    ...refused("log-opt", "stringArray", "Log driver options (example: format=json)", UNLOGGED),
    type: " map",
  },
];
