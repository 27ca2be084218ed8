import type { Writable } from "node:stream";
import { diffOf, type PolicyDiff } from "../../prove/diff/diff.ts";
import { diffCounts, diffJson, diffMarkdown, diffSvg, diffText } from "../../prove/diff/formats.ts";
import type { Inventory } from "../../prove/inventory.ts";
import { KnownDocuments } from "../../prove/manifest.ts";
import { applied, type ClusterReader, clusterInventory } from "./cluster-inventory.ts";
import { isOfCluster, readInventory, tellAllProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, marked } from "./left-out.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { isStream, withoutRevision } from "./sources.ts";

export interface DiffCommandOptions extends ManifestOptions {
  readonly base?: string;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  readonly failOn?: string;
  readonly replace?: boolean;
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
  readCluster: ClusterReader,
): Promise<number> {
  const { output = "text", failOn } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  if (failOn !== undefined && !["opened", "closed", "any"].includes(failOn))
    throw new Error(`--fail-on ${failOn}: one of opened, closed, any`);
  const sides = await bothSides(paths, options, readCluster);
  tellAllProblems(sides, complain);
  if (!hasAnswer(sides)) return 2;
  const leftOut = leftOutOf(sides);
  const [before, after] = leftOut.length === 0 ? sides : await withoutFaulty(sides, paths, options, readCluster);
  const diff = diffOf(before, after);
  out.write(marked(FORMATS[output]!(diff), output, leftOut));
  if (leftOut.length > 0) return 2;
  const { opened, closed, edited, unknown } = diffCounts(diff);
  if (unknown > 0 || diff.unasked.length > 0) return 2;
  const isFailed = { opened, closed, any: opened + closed + edited }[failOn ?? "any"]! > 0;
  return failOn !== undefined && isFailed ? 1 : 0;
}

/** Of two revisions, a file that cannot be read in the one is left out of the other too: else all that is in it would have come or gone. */
async function withoutFaulty(
  sides: [Inventory, Inventory],
  paths: readonly string[],
  options: DiffCommandOptions,
  readCluster: ClusterReader,
): Promise<[Inventory, Inventory]> {
  const { base, at, skip = [] } = options;
  if (base === undefined) return sides;
  const files = sides.flatMap(({ problems }, side) => {
    const revision = side === 0 ? base : at;
    const faulty = problems.filter(({ severity }) => severity === "error").map(({ file }) => file);
    return revision === undefined ? faulty : faulty.map((file) => withoutRevision(file, revision));
  });
  return bothSides(paths, { ...options, skip: [...skip, ...new Set(files)] }, readCluster);
}

/** A cluster as it is, and after the paths were applied to it; with `replace` its policies are those of the paths alone. */
async function clusterAndAfter(
  paths: readonly string[],
  options: DiffCommandOptions,
  readCluster: ClusterReader,
): Promise<[Inventory, Inventory]> {
  const { base, before = [], after = [], replace = false } = options;
  if (base !== undefined || before.length + after.length > 0)
    throw new Error("a cluster is the one side, the paths are the other: leave out --base, --before and --after");
  if (paths.length + (options.file ?? []).length === 0)
    throw new Error("what would be applied to the cluster? Give its files, -f FILE or -f FOLDER");
  const own = await readInventory(paths, options);
  const cluster = await clusterInventory(options, own.config, readCluster);
  const { settings: _told, ...all } = applied(own, cluster, replace);
  return [cluster, all];
}

/** What is given without a side belongs to both. */
async function bothSides(
  paths: readonly string[],
  options: DiffCommandOptions,
  readCluster: ClusterReader,
): Promise<[Inventory, Inventory]> {
  const { base, before = [], after = [], at } = options;
  const { at: _at, ...plain } = options;
  if (isOfCluster(options)) return clusterAndAfter(paths, options, readCluster);
  if (options.replace === true) throw new Error("--replace goes with --context or --kubeconfig");
  const known = new KnownDocuments();
  if (base !== undefined) {
    if (before.length + after.length > 0)
      throw new Error("--base compares the same paths: leave out --before and --after");
    return [
      await readInventory(paths, { ...plain, at: base }, { mayBeMissing: true, known }),
      await readInventory(paths, options, { known }),
    ];
  }
  if (before.length === 0 && after.length === 0)
    throw new Error("what with what? Give --base REVISION and paths, or --before PATH and --after PATH");
  if (at !== undefined) throw new Error("--at goes with --base: --before and --after are read as they are");
  const twice = before.find((path) => isStream(path) && after.includes(path));
  if (twice !== undefined)
    throw new Error(`${twice} is read once: for one of --before and --after, or for both sides by -f`);
  return [
    await readInventory([...before, ...paths], plain, { mayBeMissing: true, known }),
    await readInventory([...after, ...paths], plain, { mayBeMissing: true, known }),
  ];
}
