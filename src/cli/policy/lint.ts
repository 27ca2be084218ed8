import { writeFileSync } from "node:fs";
import type { Writable } from "node:stream";
import packageJson from "../../../package.json" with { type: "json" };
import { fix } from "../../prove/lint/fix.ts";
import { countsOf, lintGithub, lintJson, lintSarif, lintText, type Report } from "../../prove/lint/formats.ts";
import { lint } from "../../prove/lint/lint.ts";
import { KnownDocuments } from "../../prove/manifest.ts";
import type { ClusterReader } from "./cluster-inventory.ts";
import { isOfCluster, readTexts, readWorld } from "./inventory.ts";
import { type ManifestOptions, tellHooks } from "./manifest-options.ts";
import { isStream } from "./sources.ts";

export interface LintCommandOptions extends ManifestOptions {
  readonly strict?: boolean;
  readonly withHooks?: boolean;
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
  complain: (text: string) => void,
  readCluster: ClusterReader,
): Promise<number> {
  const { output = "text", strict = false, withHooks = false } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  if (options.fix === true) await fixFiles(paths, options, complain);
  const inventory = await readWorld(paths, options, readCluster);
  const { problems, settings } = inventory;
  if (settings !== undefined) complain(settings);
  if (!withHooks) tellHooks(inventory.workloads, complain);
  const report = { ...lint(inventory, { hooks: withHooks }), problems, version: packageJson.version };
  out.write(FORMATS[output]!(report));
  const { errors, warnings } = countsOf(report);
  if (problems.some(({ severity }) => severity === "error")) return 2;
  return errors > 0 || (strict && warnings > 0) ? 1 : 0;
}

/** Mends what can be mended safely, in the files themselves. */
async function fixFiles(
  paths: readonly string[],
  options: LintCommandOptions,
  complain: (text: string) => void,
): Promise<void> {
  if (options.at !== undefined) throw new Error("--fix changes files: a revision cannot be changed, leave out --at");
  if (isOfCluster(options)) throw new Error("--fix changes files: leave out --context and --kubeconfig");
  const stream = [...paths, ...(options.file ?? [])].find(isStream);
  if (stream !== undefined) throw new Error(`--fix changes files: a pipe is none, leave out ${stream}`);
  const { texts, problems, take } = await readTexts(paths, options, { known: new KnownDocuments() });
  // Where something cannot be read, nothing is proven; the report says what.
  if ([...problems, ...take(texts).problems].some(({ severity }) => severity === "error")) return;
  const fixed = fix(texts, take);
  for (const { file, text } of fixed.texts) writeFileSync(file, text);
  for (const { finding, changes } of fixed.mended) {
    const how = changes.length === 0 ? "nobody may do more or less by it" : `by it: ${changes.join("; ")}`;
    complain(`${finding.file}:${finding.line}: mended ${finding.code}: ${finding.message} (${how})`);
  }
  for (const { finding, why } of fixed.left)
    complain(`${finding.file}:${finding.line}: left alone ${finding.code}: ${why}`);
}
