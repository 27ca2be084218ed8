import type { Writable } from "node:stream";
import { takeInventory } from "../../prove/inventory.ts";
import { Distinctions } from "../../prove/replay/distinctions.ts";
import { type Suggestion, suggest } from "../../prove/suggest/suggest.ts";
import { suggestionJson, suggestionText } from "../../prove/suggest/suggest-text.ts";
import { parseTarget } from "../../prove/target.ts";
import { readCluster } from "./cluster-source.ts";
import { isOfCluster, readWorld, tellProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, marked } from "./left-out.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { type FlowOptions, isTrustworthy, named, readFlows, tellFlowProblems } from "./replay.ts";

export interface SuggestCommandOptions extends ManifestOptions, FlowOptions {
  readonly for?: readonly string[];
  readonly includeDenied?: boolean;
  readonly standalone?: boolean;
  readonly l7: boolean;
  readonly maxPaths?: string;
  readonly maxAddresses?: string;
  readonly output?: string;
}

const FORMATS: Readonly<Record<string, (suggestion: Suggestion) => string>> = {
  yaml: suggestionText,
  json: suggestionJson,
};

/** Prints policies for recorded flows. The exit code: 0 proven, 1 not, 2 where the recording cannot be trusted. */
export async function suggestCommand(
  paths: readonly string[],
  options: SuggestCommandOptions,
  out: Writable,
  complain: (text: string) => void,
): Promise<number> {
  const { output = "yaml", file } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  const subjects = (options.for ?? []).map(parseTarget);
  const odd = subjects.find(({ kind }) => kind !== "name" && kind !== "labels");
  if (odd !== undefined) throw new Error(`--for ${odd.text}: a workload (shop/deploy/cart) or labels (app=cart)`);
  const isNone = file === undefined && !isOfCluster(options);
  const existing = isNone ? takeInventory([]) : await readWorld([], options, readCluster);
  tellProblems(existing, complain);
  if (!hasAnswer([existing])) return 2;
  const leftOut = leftOutOf([existing]);
  const recording = await readFlows(paths, options, new Distinctions([existing], { isExact: true }));
  tellFlowProblems(recording, complain);
  const suggestion = suggest(recording, named(existing, recording, options), {
    subjects,
    l7: options.l7,
    includeDenied: options.includeDenied === true,
    isStandalone: options.standalone === true,
    maxPaths: positive("max-paths", options.maxPaths ?? "10"),
    maxAddresses: positive("max-addresses", options.maxAddresses ?? "10"),
  });
  out.write(marked(FORMATS[output]!(suggestion), output, leftOut));
  if (leftOut.length > 0 || !isTrustworthy(recording)) return 2;
  return suggestion.unproven.length === 0 ? 0 : 1;
}

function positive(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} ${text}: a number above 0`);
  return Number(text);
}
