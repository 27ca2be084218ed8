import type { Writable } from "node:stream";
import { matrixDot, matrixMermaid, matrixSvg } from "../../prove/graph.ts";
import { type Matrix, matrixOf } from "../../prove/matrix.ts";
import { type FormatOptions, matrixCsv, matrixJson, matrixText } from "../../prove/matrix-formats.ts";
import type { ClusterReader } from "./cluster-inventory.ts";
import { readWorld, tellProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, marked } from "./left-out.ts";
import { type ManifestOptions, tellHooks } from "./manifest-options.ts";

export interface MatrixCommandOptions extends ManifestOptions {
  readonly l7?: boolean;
  readonly exposure?: boolean;
  readonly withHooks?: boolean;
  readonly output?: string;
}

type Print = (matrix: Matrix, options: FormatOptions) => string;

export const TABLES: Readonly<Record<string, Print>> = { table: matrixText, csv: matrixCsv, json: matrixJson };
export const GRAPHS: Readonly<Record<string, Print>> = { dot: matrixDot, mermaid: matrixMermaid, svg: matrixSvg };

/** Prints who can reach whom. The exit code: 0, or 2 where the input cannot be trusted. */
export async function matrixCommand(
  paths: readonly string[],
  options: MatrixCommandOptions,
  formats: Readonly<Record<string, Print>>,
  out: Writable,
  complain: (text: string) => void,
  readCluster: ClusterReader,
): Promise<number> {
  const { l7 = false, exposure = false, withHooks = false } = options;
  const format = options.output ?? Object.keys(formats)[0]!;
  if (!Object.hasOwn(formats, format)) throw new Error(`-o ${format}: one of ${Object.keys(formats).join(", ")}`);
  const inventory = await readWorld(paths, options, readCluster);
  const isSound = tellProblems(inventory, complain);
  if (!hasAnswer([inventory])) return 2;
  if (inventory.workloads.length === 0) throw new Error("these files describe no workload (Deployment, Pod, …)");
  if (!withHooks) tellHooks(inventory.workloads, complain);
  const text = formats[format]!(matrixOf(inventory, { exposure, hooks: withHooks }), { l7 });
  out.write(marked(text, format, leftOutOf([inventory])));
  return isSound ? 0 : 2;
}
