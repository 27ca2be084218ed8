import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Inventory } from "../../prove/inventory.ts";
import { coverageOf } from "../../prove/replay/coverage.ts";
import { Distinctions } from "../../prove/replay/distinctions.ts";
import { Recording } from "../../prove/replay/recording.ts";
import { Rehearsal } from "../../prove/replay/rehearsal.ts";
import { countsOf, newsJson, newsText, replayJson, replayText } from "../../prove/replay/replay-text.ts";
import { parseDuration } from "../cobra/values.ts";
import { applied, clusterInventory } from "./cluster-inventory.ts";
import { relayOf } from "./cluster-relay.ts";
import { readCluster } from "./cluster-source.ts";
import { FlowLineReader } from "./flow-line-reader.ts";
import { relayFlows } from "./flow-relay.ts";
import { readResponse } from "./flow-source.ts";
import { readInventory, tellProblems } from "./inventory.ts";
import { type Looking, lookAtRequests } from "./looking.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { type FlowOptions, failuresOf, isTrustworthy, limitsOf, named, tellFlowProblems } from "./replay.ts";

export interface RehearseOptions extends ManifestOptions, FlowOptions {
  readonly replace?: boolean;
  readonly duration?: string;
  readonly failOn?: string;
  readonly output?: string;
}

/** How long flows are gathered before they are judged together. */
const TURN_MS = 200;
/** The rest after judging, in times of what it took. */
const REST = 5;

/**
 * Follows a cluster's flows and tells what a candidate would open and close, until the duration is over or it is interrupted. The exit code: 0, 1 by
 * `--fail-on`, 2 where nothing can be said.
 */
export async function rehearseCommand(
  paths: readonly string[],
  options: RehearseOptions,
  out: Writable,
  complain: (text: string) => void,
): Promise<number> {
  const { output = "text", since, failOn, duration } = options;
  if (!["text", "json"].includes(output)) throw new Error(`-o ${output}: one of text, json`);
  const failures = failuresOf(failOn);
  const { kubeconfig, context } = options;
  const choice = { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) };
  const { server, lab } = await relayOf(choice, options.server ?? process.env["HUBBLE_SERVER"]);
  const own = await readInventory(paths, options);
  const candidate = await candidateOf(own, options);
  if (!tellProblems(candidate, complain)) return 2;
  const distinctions = new Distinctions([candidate]);
  const recording = new Recording(distinctions, limitsOf(options));
  const reader = new FlowLineReader(recording, { keepsHeaders: distinctions.looksAtHeaders });
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  const timer = duration === undefined ? undefined : setTimeout(interrupted, parseDuration(duration) / 1e6);
  const policies = own.policies.map(({ value }) => value);
  const stood = (response: unknown, node: string) => {
    const bytes = Buffer.from(JSON.stringify(response));
    reader.read(bytes, 0, bytes.length, `connections of ${node}`, 1);
  };
  const looking = lab === undefined ? undefined : await lookAtRequests({ lab, policies, stood, complain, stop });
  // what happens before the relay's first answer counts too; a lab has the clock of this machine
  const begin = since ?? (lab === undefined ? undefined : new Date().toISOString());
  tellStart(server, options, looking, complain);
  let rehearsal: Rehearsal | undefined;
  const tell = () => {
    rehearsal ??=
      recording.cluster() === undefined ? undefined : new Rehearsal(recording, named(candidate, recording, options));
    for (const flow of rehearsal?.news() ?? []) out.write(output === "json" ? newsJson(flow) : newsText(flow));
  };
  const judging = judgeAgain(tell, stop.signal);
  try {
    let line = 0;
    for await (const response of relayFlows({
      server,
      follow: true,
      signal: stop.signal,
      ...(begin === undefined ? {} : { since: begin }),
    }))
      readResponse(response, reader, server, ++line);
  } finally {
    stop.abort();
    clearTimeout(timer);
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await judging;
  }
  tell();
  tellFlowProblems(recording, complain);
  if (looking?.gap !== undefined) complain(looking.gap);
  const final = new Rehearsal(recording, named(candidate, recording, options)).now();
  const report = { ...final, coverage: coverageOf(recording, final, candidate) };
  out.write(
    output === "json" ? `${JSON.stringify({ summary: JSON.parse(replayJson(report)) })}\n` : `\n${replayText(report)}`,
  );
  if (!isTrustworthy(recording)) return 2;
  const counts = countsOf(final.flows);
  return failures.some((change) => counts[change] > 0) ? 1 : 0;
}

function tellStart(
  server: string,
  { replace }: RehearseOptions,
  looking: Looking | undefined,
  complain: (text: string) => void,
): void {
  const set = replace === true ? "the candidate alone" : "the candidate beside what is enforced";
  const requests =
    looking === undefined
      ? "requests only where a proxy judges them now"
      : `requests at ${looking.ports} ports of endpoints that its rules judge`;
  complain(`following ${server}; ${set}; ${requests}; Ctrl-C ends it`);
}

async function judgeAgain(tell: () => void, signal: AbortSignal): Promise<void> {
  let rest = TURN_MS;
  while (!signal.aborted) {
    await sleep(rest, undefined, { signal }).catch(() => undefined);
    const began = performance.now();
    tell();
    // many distinct flows take longer to judge: most of the time is left for those that come
    rest = Math.max(TURN_MS, REST * (performance.now() - began));
  }
}

/** The candidate's objects, and with them what the cluster has, unless they replace it. Of two with one name the candidate's counts. */
async function candidateOf(own: Inventory, options: RehearseOptions): Promise<Inventory> {
  if (options.replace === true) return own;
  return applied(own, await clusterInventory(options, own.config, readCluster));
}
