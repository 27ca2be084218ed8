import { jsonText } from "../../../wire/go-json.ts";
import type { Value } from "../../../wire/go-value.ts";
import { yamlText } from "../../../wire/go-yaml.ts";
import { type FlagSpec, type GivenFlag, lastValue } from "../../cobra/flags.ts";
import { write } from "../../cobra/run.ts";
import { JsonPathError } from "./json-path.ts";
import { jsonPathText } from "./json-path-walk.ts";
import { typed } from "./value.ts";

/** `-o`, of every command that prints what the API answers. */
export const OUTPUT: FlagSpec = { name: "output", short: "o", kind: "string", help: "json| yaml| jsonpath='{}'" };

const JSON_PATH = /^jsonpath=(.*)/;

/** Undefined when a person is to read it. */
export function outputOf(flags: readonly GivenFlag[]): string | undefined {
  return lastValue(flags, "output") || undefined;
}

/** The format's name in what is said when it cannot be printed. */
export function formatName(output: string): string {
  if (output === "yaml") return "YAML";
  return output === "json" || JSON_PATH.test(output) ? "JSON" : "unknown";
}

/** It could not be printed; the message may have been told already. */
export class OutputError extends Error {}

/** The value in a format of `-o`, with the line end that follows it. Throws OutputError. */
export function formatted(value: Value, output: string): string {
  if (output === "json") return `${jsonText(value)}\n\n`;
  if (output === "yaml") return `${yamlText(value)}\n`;
  const [, template] = JSON_PATH.exec(output) ?? [];
  if (template === undefined) throw new OutputError("couldn't find output printer");
  if (template === "") return `${jsonText(value)}\n\n`;
  try {
    return `${jsonPathText(template, value)}\n`;
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    process.stderr.write(`Couldn't parse jsonpath expression: '${error.message}'\n`);
    throw new OutputError(error.message);
  }
}

/** Prints what the API answered in a format of `-o`. Throws OutputError. */
export async function printOutput(json: unknown, type: string, output: string): Promise<void> {
  await write(formatted(typed(json, type), output));
}

/** The same where the real command ends without a word when it fails. */
export async function printOrExit(json: unknown, type: string, output: string): Promise<void> {
  await printValueOrExit(typed(json, type), output);
}

/** The same of a value. */
export async function printValueOrExit(value: Value, output: string): Promise<void> {
  try {
    await write(formatted(value, output));
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    process.exitCode = 1;
  }
}
