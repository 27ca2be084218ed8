import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeInventory } from "../src/prove/inventory.ts";
import { Distinctions } from "../src/prove/replay/distinctions.ts";
import { Recording } from "../src/prove/replay/recording.ts";
import { recordedLines } from "./recorded-lines.ts";
import type { Row } from "./report.ts";
import { interleave } from "./rounds.ts";

const ROUNDS = 5;
const LINES = 600_000;
/** So often the recording stands in the stream of 10 GB. */
const TIMES = 10;
const TALLIES = 5_000_000;
const CPU = "1";
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: servers, namespace: shop-1}
spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {tier: client-1}}]}]}
`;
/** What nobody who reads JSON can be faster than: each line parsed, and nothing done with it. */
const PARSE = `
const { createReadStream } = require("node:fs");
let rest = Buffer.alloc(0), count = 0;
createReadStream(process.argv[1], { highWaterMark: 1 << 20 })
  .on("data", (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = rest.length > 0 ? Buffer.concat([rest, chunk.subarray(0, end)]).toString("utf8") : chunk.toString("utf8", start, end);
      if (rest.length > 0) rest = Buffer.alloc(0);
      if (JSON.parse(line).flow.verdict === "FORWARDED") count++;
      start = end + 1;
    }
    rest = Buffer.from(chunk.subarray(start));
  })
  .on("end", () => process.stdout.write(String(count)));
`;

/** Replay of a large recording beside the parser alone, and how fast known flows are counted. */
export async function measureReplay(root: string): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "shieldgate-bench-"));
  try {
    const recording = join(folder, "flows.jsonl");
    const file = openSync(recording, "w");
    let block = "";
    for (const line of recordedLines(LINES)) {
      block += line;
      if (block.length < 1 << 22) continue;
      writeSync(file, block);
      block = "";
    }
    writeSync(file, block);
    closeSync(file);
    writeFileSync(join(folder, "policy.yaml"), POLICY);
    return [await measureFile(root, folder, recording), measureStream(root, folder, recording), ...measureTally()];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureFile(root: string, folder: string, recording: string): Promise<Row> {
  const megabytes = statSync(recording).size / 1e6;
  const [memory, peak] = [join(folder, "memory"), join(folder, "peak.cjs")];
  const tellPeak = `require("node:fs").writeFileSync(${JSON.stringify(memory)}, String(process.resourceUsage().maxRSS))`;
  writeFileSync(peak, `process.on("exit", () => ${tellPeak});`);
  const timed = (words: readonly string[]) => async () => {
    const started = performance.now();
    execFileSync("taskset", ["-c", CPU, ...words], { maxBuffer: 1 << 28 });
    return megabytes / ((performance.now() - started) / 1000);
  };
  const replay = [join(root, "dist/policy.mjs"), "replay", recording, "-f", join(folder, "policy.yaml")];
  const { ours, theirs, ratio, spread, rounds } = await interleave(
    ROUNDS,
    timed([process.execPath, "--require", peak, ...replay]),
    timed([process.execPath, "-e", PARSE, recording]),
  );
  const peakKib = Number(readFileSync(memory, "utf8"));
  return {
    what: `replay of ${Math.round(megabytes)} MB of jsonpb (${LINES} flows), whole command`,
    ours: `${Math.round(ours)} MB/s, ${Math.round((LINES / megabytes) * ours).toLocaleString("en")} flows/s, ${Math.round(peakKib / 1024)} MiB`,
    against: `JSON.parse alone ${Math.round(theirs)} MB/s`,
    ratio,
    spread,
    target: "1 (parser speed)",
    reached: ratio >= 1,
    raw: { rounds, peakKib },
  };
}

/** The recording again and again through a pipe: what memory it takes must not hang on how long it is. */
function measureStream(root: string, folder: string, recording: string): Row {
  const gigabytes = (statSync(recording).size * TIMES) / 1e9;
  const replay = [join(root, "dist/policy.mjs"), "replay", "-", "-f", join(folder, "policy.yaml")];
  const repeat = `for i in $(seq ${TIMES}); do cat "$1"; done | { shift; exec "$@"; }`;
  const peak = ["--require", join(folder, "peak.cjs")];
  const started = performance.now();
  execFileSync("sh", ["-c", repeat, "sh", recording, process.execPath, ...peak, ...replay], { maxBuffer: 1 << 28 });
  const seconds = (performance.now() - started) / 1000;
  const peakKib = Number(readFileSync(join(folder, "memory"), "utf8"));
  return {
    what: `replay of ${gigabytes.toFixed(1)} GB of jsonpb through a pipe (${LINES * TIMES} flows)`,
    ours: `${Math.round(peakKib / 1024)} MiB at most, ${Math.round((gigabytes * 1000) / seconds)} MB/s`,
    target: "256 MiB",
    reached: peakKib < 256 * 1024,
    raw: { seconds, peakKib },
  };
}

/** Counting flows whose line is known: what is left of the work when nothing has to be read. */
function measureTally(): Row[] {
  const recording = new Recording(new Distinctions([takeInventory([{ file: "p.yaml", text: POLICY }])]));
  const tallies = [...recordedLines(2000)].map((line, index) =>
    recording.add(JSON.parse(line), { source: "f", line: index }),
  );
  const started = performance.now();
  for (let i = 0; i < TALLIES; i++) tallies[i % tallies.length]!(1_764_000_000_000 + i, "f", i);
  const perSecond = TALLIES / ((performance.now() - started) / 1000);
  return [
    {
      what: "flows counted whose line is known",
      ours: `${(perSecond / 1e6).toFixed(1)} million/s`,
      target: "1 million/s",
      reached: perSecond >= 1e6,
      raw: { perSecond },
    },
  ];
}
