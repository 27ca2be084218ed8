import type { Call } from "./commands.ts";
import type { FlagSpec } from "./flags.ts";

/** Flags that help shows under one title. */
export interface FlagSet {
  readonly title: string;
  readonly flags: readonly FlagSpec[];
}

/** A command that may have commands below it. */
export interface CommandNode {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Placeholders of its arguments. */
  readonly argument?: string;
  readonly short: string;
  readonly long?: string;
  readonly example?: string;
  /** Not listed, but there. */
  readonly hidden?: boolean;
  /** It takes no words after its name. */
  readonly noWords?: boolean;
  /** Its words are taken as they are, flags among them. */
  readonly raw?: boolean;
  /** Its help does not say that it takes flags. */
  readonly bareUsage?: boolean;
  /** Called by itself it shows its help, which says that it can be. */
  readonly showsHelp?: boolean;
  /** Flags of its own. */
  readonly flags?: readonly FlagSpec[];
  /** What its help shows; absent = nothing but the global flags. */
  readonly shown?: readonly FlagSet[];
  readonly commands?: readonly CommandNode[];
  run?(call: Call): Promise<void>;
}

/** A program: its root command and the flags that every command takes. */
export interface Tree {
  /** How help is laid out, and what follows a mistake: as hubble's, or as cobra does by itself. */
  readonly layout: "titled" | "plain";
  readonly root: CommandNode;
  /** Printed for `--version`; absent = it has none. */
  readonly version?: string;
  readonly global: FlagSet;
  /** Flags that every command takes but only some show. */
  readonly persistent: readonly FlagSpec[];
}

/** `help [command]`, which cobra adds by itself. */
const HELP_COMMAND: CommandNode = {
  name: "help",
  argument: "[command]",
  short: "Help about any command",
  long: "Help provides help for any command in the application.",
  raw: true,
};

/** The commands below one, as help lists them. */
export function listedCommands(tree: Tree, command: CommandNode): readonly CommandNode[] {
  const own = (command.commands ?? []).filter(({ hidden }) => !hidden);
  return tree.layout === "plain" && command === tree.root ? [...own, HELP_COMMAND] : own;
}
