import { type Inventory, type InventoryOptions, takeInventory } from "../../prove/inventory.ts";
import type { ManifestText, Problem } from "../../prove/manifest.ts";
import { applied, type ClusterReader, clusterInventory } from "./cluster-inventory.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { readSources, type SourceOptions } from "./sources.ts";

/** The texts that the options name, and what they hold. */
export interface ReadTexts {
  readonly texts: readonly ManifestText[];
  readonly problems: readonly Problem[];
  /** Takes the inventory of texts as the options want it. */
  readonly take: (texts: readonly ManifestText[]) => Inventory;
}

type Reading = Pick<SourceOptions, "mayBeMissing"> & Pick<InventoryOptions, "known">;

/** Reads what the options name. Throws an Error when they name nothing. */
export async function readInventory(
  paths: readonly string[],
  options: ManifestOptions,
  reading: Reading = {},
): Promise<Inventory> {
  const { texts, problems, take } = await readTexts(paths, options, reading);
  const inventory = take(texts);
  return { ...inventory, problems: [...problems, ...inventory.problems] };
}

export function isOfCluster({ context, kubeconfig }: ManifestOptions): boolean {
  return context !== undefined || kubeconfig !== undefined;
}

/** The same, applied to the cluster that the options name, if they do: then there need be no files. */
export async function readWorld(
  paths: readonly string[],
  options: ManifestOptions,
  readCluster: ClusterReader,
  reading: Reading = {},
): Promise<Inventory> {
  if (!isOfCluster(options)) return readInventory(paths, options, reading);
  const hasFiles = paths.length + (options.file ?? []).length > 0;
  const own = hasFiles
    ? await readInventory(paths, options, reading)
    : takeInventory([], { config: configOf(options) });
  return applied(own, await clusterInventory(options, own.config, readCluster));
}

/** What options say of the cluster's settings. */
function configOf({ policyMode, clusterName, ipv6 }: ManifestOptions): Inventory["config"] {
  if (policyMode !== undefined && !["default", "always", "never"].includes(policyMode))
    throw new Error(`--policy-mode ${policyMode}: one of default, always, never`);
  return {
    ...(clusterName === undefined ? {} : { clusterName }),
    ...(policyMode === undefined ? {} : { policyMode }),
    ...(ipv6 === true ? { enableIPv6: true } : {}),
  };
}

/** The same as `readInventory` before it is sorted out. */
export async function readTexts(
  paths: readonly string[],
  options: ManifestOptions,
  { mayBeMissing = false, known }: Reading = {},
): Promise<ReadTexts> {
  const all = [...(options.file ?? []), ...paths];
  if (all.length === 0)
    throw new Error("which files? Give -f FILE, -f FOLDER, -f - for standard input, or --context of a cluster");
  const { namespace } = options;
  const config = configOf(options);
  const { texts, problems } = await readSources(all, {
    ...(options.at === undefined ? {} : { revision: options.at }),
    ...(options.skip === undefined ? {} : { skip: options.skip }),
    mayBeMissing,
  });
  if (texts.length === 0 && problems.length === 0 && !mayBeMissing)
    throw new Error("nothing was read: every file is left out");
  const take = (some: readonly ManifestText[]) =>
    takeInventory(some, {
      ...(known === undefined ? {} : { known }),
      ...(namespace === undefined ? {} : { namespace }),
      config,
    });
  return { texts, problems, take };
}

/** Warnings that are written out; the rest is counted. */
const MOST_WARNINGS = 5;

/** Tells of several inputs; what is to be said of more than one is said once. */
export function tellAllProblems(inventories: readonly Inventory[], complain: (text: string) => void): void {
  const told = new Set<string>();
  for (const each of inventories)
    tellProblems(each, (text) => {
      if (!told.has(text)) complain(text);
      told.add(text);
    });
}

/** Tells what is wrong with the input, and what was not looked at. True when there is no error. */
export function tellProblems({ problems, leftAlone, settings }: Inventory, complain: (text: string) => void): boolean {
  const errors = problems.filter(({ severity }) => severity === "error");
  const warnings = problems.filter(({ severity }) => severity === "warning");
  const tell = ({ file, line, severity, message }: Problem) => complain(`${file}:${line}: ${severity}: ${message}`);
  errors.forEach(tell);
  warnings.slice(0, MOST_WARNINGS).forEach(tell);
  if (warnings.length > MOST_WARNINGS)
    complain(`${warnings.length - MOST_WARNINGS} more warnings (\`policy lint\` has them all)`);
  const kinds = [...leftAlone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${count} ${kind}`);
  if (settings !== undefined) complain(settings);
  if (kinds.length > 0) complain(`not looked at: ${kinds.join(", ")}`);
  return errors.length === 0;
}
