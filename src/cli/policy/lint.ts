import type { Writable } from "node:stream";
import packageJson from "../../../package.json" with { type: "json" };
import { countsOf, lintGithub, lintJson, lintSarif, lintText, type Report } from "../../prove/lint/formats.ts";
import { lint } from "../../prove/lint/lint.ts";
import { readInventory } from "./inventory.ts";
import type { ManifestOptions } from "./manifest-options.ts";

export interface LintCommandOptions extends ManifestOptions {
  readonly strict?: boolean;
  readonly fix?: boolean;
  readonly output?: string;
}

const FORMATS: Readonly<Record<string, (report: Report) => string>> = {
  text: lintText,
  json: lintJson,
  sarif: lintSarif,
  github: lintGithub,
};

/** The exit code: 0, 1 with an error (with `--strict` also with a warning), 2 where the input cannot be trusted. */
export async function lintCommand(
  paths: readonly string[],
  options: LintCommandOptions,
  out: Writable,
): Promise<number> {
  const { output = "text", strict = false } = options;
  if (options.fix === true) throw new Error("--fix is not there yet: each finding says how to mend it");
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  const inventory = await readInventory(paths, options);
  const { problems } = inventory;
  const report = { ...lint(inventory), problems, version: packageJson.version };
  out.write(FORMATS[output]!(report));
  const { errors, warnings } = countsOf(report);
  if (problems.some(({ severity }) => severity === "error")) return 2;
  return errors > 0 || (strict && warnings > 0) ? 1 : 0;
}
