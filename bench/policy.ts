import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { AGENT_FLAGS } from "../src/lab/processes.ts";
import { oracle } from "../test/oracle/cache.ts";
import type { EngineTimings } from "./policy-engine.ts";
import { linesOfInput, policyInput } from "./policy-input.ts";
import { timeHttpVerdicts } from "./policy-verdicts.ts";
import type { Row } from "./report.ts";
import { median, percentile } from "./rounds.ts";

const SIZES = [10_000, 50_000, 100_000];
const ROUNDS = 3;
const CPU = "1";
const MIB = 1024;
/** The heap of an agent, which is who runs the engine. */
const FLAGS = ["--expose-gc", ...AGENT_FLAGS];

/** What Cilium's engine reports; milliseconds and KiB. */
interface CiliumTimings
  extends Omit<EngineTimings, "warmUp" | "peakRss" | "settledRss" | "lookupsPerSecond" | "entries"> {
  readonly peakRSSKiB: number;
  readonly mapEntries: number;
}

function pinned<T>(command: string, args: readonly string[]): T {
  const output = execFileSync("taskset", ["-c", CPU, command, ...args], { maxBuffer: 1 << 26, encoding: "utf8" });
  return JSON.parse(output) as T;
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`;
}

interface Pair {
  readonly ours: EngineTimings;
  /** In a process that has computed nothing before. */
  readonly cold: EngineTimings;
  readonly theirs: CiliumTimings | undefined;
}

type Figure = (timings: EngineTimings | CiliumTimings) => number;

function compared(
  what: string,
  pairs: readonly Pair[],
  figure: Figure,
  target: string,
  reached: (row: { ours: number; ratio: number }) => boolean,
): Row {
  const ours = median(pairs.map((pair) => figure(pair.ours)));
  const theirs = pairs.flatMap((pair) => (pair.theirs === undefined ? [] : [figure(pair.theirs)]));
  const ratio = theirs.length === 0 ? Number.NaN : ours / median(theirs);
  return {
    what,
    ours: ms(ours),
    ...(theirs.length === 0 ? {} : { against: `Cilium's engine ${ms(median(theirs))}`, ratio }),
    target,
    reached: reached({ ours, ratio }),
    raw: { ours: pairs.map((pair) => figure(pair.ours)), theirs },
  };
}

function rowsOf(size: number, pairs: readonly Pair[]): Row[] {
  const at = (what: string) => `${what}, ${size / 1000}k identities`;
  const isTenth = ({ ratio }: { ratio: number }) => ratio <= 0.1;
  const memory = (timings: EngineTimings | CiliumTimings) =>
    "peakRss" in timings ? timings.peakRss : timings.peakRSSKiB / MIB;
  const peaks = compared(at("peak memory"), pairs, memory, "half", ({ ratio }) => ratio <= 0.5);
  return [
    compared(at("first endpoint's policy"), pairs, (each) => each.firstEndpoint, "a tenth", isTenth),
    compared(
      at("first endpoint's policy without a warm-up"),
      pairs.map(({ cold, theirs }) => ({ ours: cold, cold, theirs })),
      (each) => each.firstEndpoint,
      "",
      () => true,
    ),
    compared(at("99 more endpoints"), pairs, (each) => each.otherEndpoints, "a tenth", isTenth),
    compared(
      at("the same 100 again"),
      pairs,
      (each) => each.warm,
      "",
      () => true,
    ),
    compared(
      at("add an identity, 100 endpoints, median"),
      pairs,
      (each) => median(each.addIdentity),
      "0.2 ms",
      ({ ours }) => ours < 0.2,
    ),
    compared(
      at("add an identity, p99"),
      pairs,
      (each) => percentile(each.addIdentity, 0.99),
      "",
      () => true,
    ),
    compared(
      at("replace a policy, p99"),
      pairs,
      (each) => percentile(each.replacePolicy, 0.99),
      "5 ms",
      ({ ours }) => ours < 5,
    ),
    {
      ...peaks,
      ours: peaks.ours.replace("ms", "MiB"),
      ...(peaks.against === undefined ? {} : { against: peaks.against.replace("ms", "MiB") }),
    },
  ];
}

function perSecond(what: string, figures: readonly number[], goal: number): Row {
  const value = median(figures);
  const millions = `${(value / 1e6).toFixed(1)} million/s`;
  return { what, ours: millions, target: `${goal / 1e6} million/s`, reached: value >= goal, raw: figures };
}

/** The policy engine beside Cilium's own on the same generated cluster, each in a process of its own on one CPU. */
export function measurePolicyEngine(root: string): Row[] {
  const cilium = oracle("policy-engine");
  const folder = mkdtempSync(join(tmpdir(), "sg-bench-policy-"));
  const program = join(folder, "policy-engine.mjs");
  const rows: Row[] = [];
  const lookups: number[] = [];
  const warmUps: number[] = [];
  try {
    // As it ships: bundled, for reading types away takes memory of its own.
    buildSync({
      entryPoints: [join(root, "bench/policy-engine.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      format: "esm",
    });
    for (const size of SIZES) {
      const input = policyInput(size);
      const [whole, lines] = [join(folder, "input.json"), join(folder, "input.jsonl")];
      writeFileSync(whole, JSON.stringify(input));
      writeFileSync(lines, linesOfInput(input));
      const pairs: Pair[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        console.error(`bench: policy engine, ${size} identities, round ${round + 1}`);
        const ours = pinned<EngineTimings>(process.execPath, [...FLAGS, program, lines]);
        const cold = pinned<EngineTimings>(process.execPath, [...FLAGS, program, lines, "cold"]);
        const theirs = "path" in cilium ? pinned<CiliumTimings>(cilium.path, ["bench", whole]) : undefined;
        pairs.push({ ours, cold, theirs });
        warmUps.push(ours.warmUp!);
        lookups.push(ours.lookupsPerSecond);
      }
      rows.push(...rowsOf(size, pairs));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const http = Array.from({ length: ROUNDS }, timeHttpVerdicts);
  return [
    ...rows,
    {
      what: "warm-up of the engine, once an agent",
      ours: ms(median(warmUps)),
      target: "",
      reached: true,
      raw: warmUps,
    },
    perSecond("verdicts on ports, one core", lookups, 5_000_000),
    perSecond("verdicts on HTTP requests, 100 rules, one core", http, 1_000_000),
  ];
}
