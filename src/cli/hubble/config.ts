import type { FlagSpec, GivenFlag } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { goYaml, writeSettings } from "./config-file.ts";
import type { Settings } from "./settings.ts";

/** Flags that the configuration file may hold. */
interface ConfigContext {
  readonly specs: readonly FlagSpec[];
  settings(flags: readonly GivenFlag[]): Settings;
  /** Shows how the command is used. */
  help(): Promise<void>;
}

const LONG = `Shows or changes what hubble takes from its configuration file.

An option that applies to every command has its value from the first of these
that names it: the flag, the environment variable, the configuration file, the
default.

"config view" shows what they say together; "config set" and "config reset"
change the file. The variable of a flag is HUBBLE_ and the flag's name in
capitals, "-" written as "_": HUBBLE_SERVER is --server, and
HUBBLE_TLS_ALLOW_INSECURE is --tls-allow-insecure.`;

/** `config view`, `get`, `set` and `reset`. */
export function configCommand({ specs, settings, help }: ConfigContext): CommandNode {
  const specOf = (key: string): FlagSpec => {
    const spec = specs.find(({ name }) => name === key);
    if (!spec) throw new CommandError(`unknown key: ${key}`);
    return spec;
  };
  const view = (current: Settings) => write(goYaml(current.all()));
  return {
    name: "config",
    short: "Modify or view hubble config",
    long: LONG,
    run: help,
    commands: [
      {
        name: "get",
        argument: "[KEY]",
        short: "Get an individual value in the hubble config file",
        long: 'Shows the value of one key. Without KEY it is the same as "view".',
        async run({ flags, words }) {
          const [key] = words;
          if (words.length > 1)
            throw new CommandError(`invalid arguments: get requires exactly 0 or 1 argument: got '${words.join(" ")}'`);
          if (key === undefined) return view(settings(flags));
          await write(goYaml(settings(flags).all()[specOf(key).name]));
        },
      },
      {
        name: "reset",
        argument: "[KEY]",
        short: "Reset all or an individual value in the hubble config file",
        long: "Gives one key its default in the configuration file. Without KEY every key gets its default.",
        async run({ flags, words }) {
          if (words.length > 1)
            throw new CommandError(
              `invalid arguments: resset requires exactly 0 or 1 argument: got '${words.join(" ")}'`,
            );
          const chosen = words[0] === undefined ? specs : [specOf(words[0])];
          writeSettings(
            settings(flags).path,
            chosen.map((spec) => [spec, ""] as const),
          );
        },
      },
      {
        name: "set",
        argument: "KEY [VALUE]",
        short: "Set an individual value in the hubble config file",
        long: "Writes one key into the configuration file. Without VALUE the key gets its default.",
        async run({ flags, words }) {
          const [key, value = ""] = words;
          if (key === undefined || words.length > 2)
            throw new CommandError(
              `invalid arguments: set requires exactly 1 or 2 argument(s): got '${words.join(" ")}'`,
            );
          writeSettings(settings(flags).path, [[specOf(key), value]]);
        },
      },
      {
        name: "view",
        short: "Display merged configuration settings",
        long: "Display merged configuration settings",
        run: ({ flags }) => view(settings(flags)),
      },
    ],
  };
}
