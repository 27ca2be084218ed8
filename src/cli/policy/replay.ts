import type { Writable } from "node:stream";
import { type Inventory, inClusterNamed } from "../../prove/inventory.ts";
import { coverageOf } from "../../prove/replay/coverage.ts";
import { Distinctions } from "../../prove/replay/distinctions.ts";
import { Recording } from "../../prove/replay/recording.ts";
import { type Change, replay } from "../../prove/replay/replay.ts";
import {
  countsOf,
  plainText,
  type ReplayReport,
  replayJson,
  replayMarkdown,
  replayText,
} from "../../prove/replay/replay-text.ts";
import { readCluster } from "./cluster-source.ts";
import { FlowLineReader } from "./flow-line-reader.ts";
import { relayFlows } from "./flow-relay.ts";
import { readRecordings, readResponse } from "./flow-source.ts";
import { isOfCluster, readInventory, readWorld, tellAllProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, marked } from "./left-out.ts";
import type { ManifestOptions } from "./manifest-options.ts";

/** Where flows come from. */
export interface FlowOptions {
  readonly server?: string;
  readonly since?: string;
  readonly maxDistinct?: string;
}

export interface ReplayOptions extends ManifestOptions, FlowOptions {
  readonly before?: readonly string[];
  readonly all?: boolean;
  readonly failOn?: string;
  readonly output?: string;
}

const FORMATS: Readonly<Record<string, (report: ReplayReport, options: { readonly all: boolean }) => string>> = {
  text: replayText,
  json: replayJson,
  markdown: replayMarkdown,
};
const FAILURES: Readonly<Record<string, readonly Change[]>> = {
  opened: ["opened"],
  closed: ["closed"],
  unknown: ["unknown"],
  any: ["opened", "closed", "unknown"],
};

/** Plays recorded flows against a candidate. The exit code: 0, 1 by `--fail-on`, 2 where the answer cannot be trusted. */
export async function replayCommand(
  paths: readonly string[],
  options: ReplayOptions,
  out: Writable,
  complain: (text: string) => void,
): Promise<number> {
  const { output = "text", all = false, before, failOn } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  const failures = failuresOf(failOn);
  if (options.file === undefined && !isOfCluster(options))
    throw new Error("which policies? Give the candidate with -f FILE or -f FOLDER");
  const candidate = await readWorld([], options, readCluster);
  const earlier = before && (await readInventory([], { ...options, file: before }));
  const sets = [candidate, ...(earlier ? [earlier] : [])];
  tellAllProblems(sets, complain);
  if (!hasAnswer(sets)) return 2;
  const leftOut = leftOutOf(sets);
  const recording = await readFlows(paths, options, new Distinctions(sets));
  tellFlowProblems(recording, complain);
  const result = replay(recording, named(candidate, recording, options), earlier && named(earlier, recording, options));
  const coverage = coverageOf(recording, result, candidate);
  out.write(marked(FORMATS[output]!({ ...result, coverage }, { all }), output, leftOut));
  if (leftOut.length > 0 || !isTrustworthy(recording)) return 2;
  const counts = countsOf(result.flows);
  return failures.some((change) => counts[change] > 0) ? 1 : 0;
}

/** The changes that `--fail-on` names. Throws an Error for a word that is none. */
export function failuresOf(words: string | undefined): readonly Change[] {
  return words === undefined ? [] : words.split(",").flatMap(changesOf);
}

function changesOf(word: string): readonly Change[] {
  const found = FAILURES[word];
  if (found === undefined) throw new Error(`--fail-on ${word}: one of ${Object.keys(FAILURES).join(", ")}`);
  return found;
}

/** Reads every flow that the paths and options name. Throws an Error when they name none. */
export async function readFlows(
  paths: readonly string[],
  options: FlowOptions,
  distinctions: Distinctions,
): Promise<Recording> {
  const { server, since } = options;
  if (paths.length === 0 && server === undefined)
    throw new Error("which flows? Give files of `hubble observe -o jsonpb`, - for standard input, or --server ADDRESS");
  if (paths.length > 0 && since !== undefined) throw new Error("--since is for --server: files are read as a whole");
  const recording = new Recording(distinctions, limitsOf(options));
  const reader = new FlowLineReader(recording, { keepsHeaders: distinctions.looksAtHeaders });
  await readRecordings(paths, reader, recording);
  if (server !== undefined) {
    let line = 0;
    for await (const response of relayFlows({ server, ...(since === undefined ? {} : { since }) }))
      readResponse(response, reader, server, ++line);
  }
  recording.finish();
  return recording;
}

/** Throws an Error where `--max-distinct` is no number. */
export function limitsOf({ maxDistinct }: FlowOptions): { distinct?: number } {
  if (maxDistinct === undefined) return {};
  if (!/^[1-9]\d{0,8}$/.test(maxDistinct)) throw new Error(`--max-distinct ${maxDistinct}: a number above 0`);
  return { distinct: Number(maxDistinct) };
}

export function tellFlowProblems({ problems, problemCount }: Recording, complain: (text: string) => void): void {
  for (const { at, why } of problems) complain(`${at.source}:${at.line}: ${plainText(why)}`);
  if (problemCount > problems.length) complain(`and ${problemCount - problems.length} more lines that cannot be read`);
}

/** Whether all that was given was read, and something was in it. */
export function isTrustworthy({ problemCount, beyondLimit, flowCount }: Recording): boolean {
  return problemCount === 0 && beyondLimit === 0 && flowCount > 0;
}

/** The inventory in the recorded cluster, where nobody says which it is. */
export function named(inventory: Inventory, recording: Recording, { clusterName }: ManifestOptions): Inventory {
  const recorded = recording.cluster();
  if (clusterName !== undefined || recorded === undefined) return inventory;
  return inClusterNamed(inventory, recorded);
}
