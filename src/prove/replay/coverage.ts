import { selects } from "../../model/selector.ts";
import { titleOf } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
import { labelsOfWorkload } from "../party.ts";
import type { Recording } from "./recording.ts";
import type { Replay } from "./replay.ts";

/** How much a recording can tell. */
export interface Coverage {
  /** `none`: there is nothing in it; `partial`: something is known to be missing, `gaps` says what. */
  readonly trust: "full" | "partial" | "none";
  /** Milliseconds since the epoch; undefined = no flow has a time. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
  readonly nodes: readonly string[];
  /** Packets and requests that tell something of policy. */
  readonly flows: number;
  readonly answers: number;
  /** What says nothing of policy, by why, the most frequent first. */
  readonly aside: readonly (readonly [why: string, count: number])[];
  readonly lostEvents: number;
  readonly httpRequests: number;
  readonly dnsRequests: number;
  /** Servers' names that TLS clients asked for. */
  readonly tlsNames: number;
  /** Workloads of the manifests that the candidate's policies select, and of whom no flow is there. */
  readonly silentWorkloads: readonly string[];
  readonly gaps: readonly string[];
}

const SHORT_MS = 3_600_000;

/** A verdict on the recording, for one candidate. */
export function coverageOf(recording: Recording, { flows }: Replay, candidate: Inventory): Coverage {
  const { firstMs, lastMs, flowCount, answerCount, lostEvents, conversations } = recording;
  const requests = (parser: string) =>
    [...conversations.values()].filter(({ request }) => request?.parser === parser).length;
  const hasTime = Number.isFinite(firstMs);
  const silentWorkloads = silentOf(recording, candidate);
  const gaps = gapsOf(recording, flows.filter(({ change }) => change === "unknown").length, silentWorkloads);
  return {
    trust: flowCount === 0 ? "none" : gaps.length === 0 ? "full" : "partial",
    firstMs: hasTime ? firstMs : undefined,
    lastMs: hasTime ? lastMs : undefined,
    nodes: [...recording.nodes].sort(),
    flows: flowCount,
    answers: answerCount,
    aside: [...recording.aside].sort((a, b) => b[1] - a[1]),
    lostEvents,
    httpRequests: requests("http"),
    dnsRequests: requests("dns"),
    tlsNames: requests("tls"),
    silentWorkloads,
    gaps,
  };
}

function gapsOf(recording: Recording, unknown: number, silent: readonly string[]): string[] {
  const { flowCount, lostEvents, firstMs, lastMs, beyondLimit, problemCount, hasHiddenParts } = recording;
  if (flowCount === 0) return ["no flow in it tells anything of policy"];
  const span = lastMs - firstMs;
  return [
    ...(problemCount > 0 ? [`${problemCount} lines could not be read`] : []),
    ...(beyondLimit > 0
      ? [`${beyondLimit} flows came after the most distinct ones that are kept (--max-distinct)`]
      : []),
    ...(lostEvents > 0 ? [`the recorder lost ${lostEvents} events: what was in them is not known`] : []),
    ...(span < SHORT_MS ? [`it covers ${durationText(span)} only: what happens less often is not in it`] : []),
    ...(unknown > 0 ? [`${unknown} distinct flows cannot be judged: each says which fact is missing`] : []),
    ...(hasHiddenParts
      ? ["headers were hidden from it, and queries of URLs may have been: paths are judged as they are recorded"]
      : []),
    ...(silent.length > 0
      ? [`workloads that the policies select, and of whom nothing is recorded: ${listText(silent)}`]
      : []),
  ];
}

const MOST_LISTED = 6;

function listText(all: readonly string[]): string {
  const rest = all.length - MOST_LISTED;
  return `${all.slice(0, MOST_LISTED).join(", ")}${rest > 0 ? `, and ${rest} more` : ""}`;
}

/** `3 h 12 min`. */
export function durationText(ms: number): string {
  if (!(ms >= 1000)) return "less than a second";
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
  ] as const;
  const first = units.findIndex(([, size]) => ms >= size);
  let rest = ms;
  const parts = units.slice(first, first + 2).map(([name, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return `${count} ${name}`;
  });
  return parts.filter((part) => !part.startsWith("0 ")).join(" ");
}

function silentOf({ conversations }: Recording, inventory: Inventory): string[] {
  const parties = [...conversations.values()].flatMap(({ from, to }) => [from, to]);
  const heard = new Set(parties.flatMap(({ title, labels }) => [title, labels.join()]));
  return inventory.workloads
    .filter((workload) => {
      const labels = labelsOfWorkload(workload, inventory);
      const text = labels.map(({ source, key, value }) => `${source}:${key}=${value}`).join();
      if (workload.isHostNetwork || heard.has(titleOf(workload)) || heard.has(text)) return false;
      return inventory.policies.some(
        ({ key, rules }) =>
          (key.namespace === "" || key.namespace === workload.namespace) &&
          rules.some(({ subject, isNode }) => !isNode && selects(subject, labels)),
      );
    })
    .map(titleOf)
    .sort();
}
