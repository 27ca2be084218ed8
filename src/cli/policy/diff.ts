import type { Writable } from "node:stream";
import { diffOf, type PolicyDiff } from "../../prove/diff/diff.ts";
import { diffCounts, diffJson, diffMarkdown, diffSvg, diffText } from "../../prove/diff/formats.ts";
import type { Inventory } from "../../prove/inventory.ts";
import { KnownDocuments } from "../../prove/manifest.ts";
import { readInventory, tellProblems } from "./inventory.ts";
import type { ManifestOptions } from "./manifest-options.ts";

export interface DiffCommandOptions extends ManifestOptions {
  readonly base?: string;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  readonly failOn?: string;
  readonly context?: string;
  readonly output?: string;
}

const FORMATS: Readonly<Record<string, (diff: PolicyDiff) => string>> = {
  text: diffText,
  json: diffJson,
  markdown: diffMarkdown,
  svg: diffSvg,
};

/** Compares two sets of manifests. The exit code: 0, 1 with `--fail-on`, 2 where something is not known. */
export async function diffCommand(
  paths: readonly string[],
  options: DiffCommandOptions,
  out: Writable,
  complain: (text: string) => void,
): Promise<number> {
  const { output = "text", failOn } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  if (failOn !== undefined && !["opened", "closed", "any"].includes(failOn))
    throw new Error(`--fail-on ${failOn}: one of opened, closed, any`);
  if (options.context !== undefined)
    throw new Error(
      "--context is not there: `kubectl get -A -o yaml deploy,sts,ds,pod,svc,ns,cnp,ccnp,netpol | shieldgate policy diff --before - --after PATH`",
    );
  const [before, after] = await bothSides(paths, options);
  const areSound = [before, after].map((inventory) => tellProblems(inventory, complain));
  if (areSound.includes(false)) return 2;
  const diff = diffOf(before, after);
  out.write(FORMATS[output]!(diff));
  const { opened, closed, unknown } = diffCounts(diff);
  if (unknown > 0 || diff.unasked.length > 0) return 2;
  const isFailed = (failOn !== "closed" && opened > 0) || (failOn !== "opened" && closed > 0);
  return failOn !== undefined && isFailed ? 1 : 0;
}

/** What is given without a side belongs to both. */
async function bothSides(paths: readonly string[], options: DiffCommandOptions): Promise<[Inventory, Inventory]> {
  const { base, before = [], after = [], at, file = [] } = options;
  const { at: _at, ...plain } = options;
  const known = new KnownDocuments();
  if (base !== undefined) {
    if (before.length + after.length > 0)
      throw new Error("--base compares the same paths: leave out --before and --after");
    if ([...paths, ...file].includes("-")) throw new Error("standard input has no revisions: leave out -");
    return [
      await readInventory(paths, { ...plain, at: base }, { mayBeMissing: true, known }),
      await readInventory(paths, options, { known }),
    ];
  }
  if (before.length === 0 && after.length === 0)
    throw new Error("what with what? Give --base REVISION and paths, or --before PATH and --after PATH");
  if (at !== undefined) throw new Error("--at goes with --base: --before and --after are read as they are");
  const all = [...before, ...after, ...paths, ...file];
  if (all.filter((path) => path === "-").length > 1 || [...paths, ...file].includes("-"))
    throw new Error("standard input can be read once: for one of --before and --after");
  return [
    await readInventory([...before, ...paths], plain, { mayBeMissing: true, known }),
    await readInventory([...after, ...paths], plain, { mayBeMissing: true, known }),
  ];
}
