import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proveInput } from "./prove-input.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 7;
/** Changes while the tests are watched. */
const WATCHED = 15;
const LARGE = { workloads: 2000, policies: 1000 };
/** A folder of a few objects, as one service has it. */
const SMALL = { workloads: 20, policies: 10 };

/** Milliseconds from the command to its end, each round; the first one, which fills caches, is left out. */
function timed(root: string, folder: string, args: readonly string[], wantedCode: number): number[] {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now();
    const { status, stderr } = spawnSync(join(root, "bin/shieldgate"), ["policy", ...args], { cwd: folder });
    const took = performance.now() - started;
    if (status !== wantedCode) throw new Error(`${args.join(" ")}: exit code ${status}: ${stderr.toString()}`);
    if (round > 0) times.push(took);
  }
  return times;
}

function row(what: string, times: readonly number[], mostMs: number): Row {
  const ours = median(times);
  return { what, ours: `${Math.round(ours)} ms`, target: `${mostMs} ms`, reached: ours < mostMs, raw: times };
}

/** Milliseconds from a change of one policy's port to the end of what the watching command says of it, each round. */
async function timedWatch(root: string, folder: string, policies: string): Promise<number[]> {
  const file = join(folder, "policies.yaml");
  const args = ["policy", "test", "--watch", "all.policytest.yaml"];
  const child = spawn(join(root, "bin/shieldgate"), args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const said = () =>
    new Promise<void>((resolve) => {
      let text = "";
      child.stdout.on("data", function hear(chunk: Buffer) {
        text += chunk.toString();
        if (!text.includes("waiting for changes")) return;
        child.stdout.off("data", hear);
        resolve();
      });
    });
  const times: number[] = [];
  try {
    await said();
    for (let round = 0; round <= WATCHED; round++) {
      let index = 0;
      const changed = policies.replaceAll('port: "8080"', (port) =>
        index++ === round * 37 ? `port: "${9000 + round}"` : port,
      );
      const outcome = said();
      const started = performance.now();
      writeFileSync(file, changed);
      await outcome;
      if (round > 0) times.push(performance.now() - started);
    }
  } finally {
    child.kill();
    await new Promise((resolve) => child.once("exit", resolve));
    writeFileSync(file, policies);
  }
  return times;
}

/** The commands that prove a change, from cold start, as a person or a workflow starts them. */
export async function measureProve(root: string): Promise<Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), "sg-bench-prove-"));
  const folderOf = (name: string, { workloads, policies }: typeof LARGE) => {
    const folder = join(scratch, name);
    mkdirSync(folder);
    const { tests, ...manifests } = proveInput(workloads, policies);
    for (const [file, text] of Object.entries(manifests)) writeFileSync(join(folder, `${file}.yaml`), text);
    writeFileSync(join(folder, "all.policytest.yaml"), tests);
    return folder;
  };
  try {
    const [small, large] = [folderOf("small", SMALL), folderOf("large", LARGE)];
    const question = ["explain", "--from", "team-0/app-0", "--to", "team-1/app-0:8080"];
    const both = ["workloads.yaml", "policies.yaml"];
    const sides = ["--before", "policies.yaml", "--after", "changed.yaml", "-f", "workloads.yaml"];
    const { policies } = proveInput(LARGE.workloads, LARGE.policies);
    const size = `${LARGE.policies} policies, ${LARGE.workloads} workloads`;
    return [
      row("policy explain, 10 policies, cold start", timed(root, small, [...question, ...both], 1), 150),
      row(`policy test, 1000 cases, ${size}`, timed(root, large, ["test", "all.policytest.yaml"], 0), 2000),
      row(`policy test --watch, 1 policy changed, 1000 cases, ${size}`, await timedWatch(root, large, policies), 100),
      row(`policy diff, 10 policies changed, ${size}`, timed(root, large, ["diff", ...sides], 0), 2000),
    ];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
