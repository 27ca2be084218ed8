import type { IdentityEndpoints, IdentityModel } from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet, listValues } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { answerOf, tabbed } from "./command.ts";
import { printableLabels } from "./labels.ts";
import { formatName, OUTPUT, OutputError, outputOf, printOutput } from "./output/print.ts";

/** Prints in a format, or the command ends with the reason. */
export async function provide(json: unknown, type: string, output: string): Promise<void> {
  try {
    await printOutput(json, type, output);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new CommandError(`Unable to provide ${formatName(output)} output: ${error.message}`);
  }
}

function identityRows({ id = 0, labels }: Partial<IdentityModel>): readonly string[] {
  return printableLabels(labels).map((label, index) => (index === 0 ? `${id}\t${label}\n` : `\t${label}\n`));
}

async function print(identities: readonly Partial<IdentityModel>[], output: string | undefined): Promise<void> {
  if (output !== undefined) return provide(identities, "[]*Identity", output);
  await write(tabbed(["ID\tLABELS\n", ...identities.flatMap(identityRows)], 2));
}

async function printUsed(all: readonly IdentityEndpoints[], output: string | undefined): Promise<void> {
  const sorted = all.toSorted((a, b) => a.identity.id - b.identity.id);
  if (output !== undefined) return provide(sorted, "[]*IdentityEndpoints", output);
  const rows = sorted.flatMap(({ identity: { id, labels }, refCount }) =>
    printableLabels(labels).map((label, index) =>
      index === 0 ? `${id}\t${label}\t${refCount}\t\n` : `\t${label}\t\n`,
    ),
  );
  await write(tabbed(["ID\tLABELS\tREFCOUNT\n", ...rows]));
}

async function list({ flags, words, signal }: Call): Promise<void> {
  const output = outputOf(flags);
  if (isSet(flags, "endpoints")) {
    const say = (reason: string) => `Cannot get identities. err: ${reason}`;
    return printUsed(await answerOf({ path: "/identity/endpoints" }, signal, say), output);
  }
  const say = (reason: string) => `Cannot get identities for given labels [${words.join(" ")}]. err: ${reason}\n`;
  const call = { path: "/identity", ...(words.length > 0 && { body: words }) };
  const found = await answerOf<readonly IdentityModel[]>(call, signal, say);
  await print(
    found.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0)),
    output,
  );
}

async function get({ flags, words: [id = ""], signal }: Call): Promise<void> {
  const labels = listValues(flags, "label");
  const output = outputOf(flags);
  if (labels.length > 0) {
    const say = (reason: string) => `Cannot get identity for labels [${labels.join(" ")}]: ${reason}\n`;
    return print(await answerOf({ path: "/identity", body: labels }, signal, say), output);
  }
  if (id === "") throw new HelpError("Invalid identity ID");
  const say = (reason: string) => `Cannot get identity for given ID ${id}: ${reason}\n`;
  await print([await answerOf({ path: "/identity/{id}", words: [id] }, signal, say)], output);
}

/** `identity …` */
export const IDENTITY: CommandNode = {
  name: "identity",
  short: "Manage security identities",
  commands: [
    {
      ...{ name: "list", aliases: ["ls"], argument: "[LABELS]", short: "List identities", run: list },
      flags: [{ name: "endpoints", kind: "bool", help: "list identities of locally managed endpoints" }, OUTPUT],
    },
    {
      ...{ name: "get", short: "Retrieve information about an identity", run: get },
      flags: [{ name: "label", kind: "strings", help: "Label to lookup" }, OUTPUT],
    },
  ],
};
