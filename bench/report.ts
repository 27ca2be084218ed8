import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

/** What may be measured by itself. */
export const PARTS = ["policy", "prove", "datapath", "l7", "dns", "flows", "replay", "api", "lab"] as const;
export type Part = (typeof PARTS)[number];

/** One line of the results. */
export interface Row {
  readonly what: string;
  /** With its unit. */
  readonly ours: string;
  readonly against?: string;
  readonly ratio?: number;
  /** Between which the middle half of the rounds' ratios lies. */
  readonly spread?: readonly [number, number];
  readonly target: string;
  readonly reached: boolean;
  /** Raw figures, for those who want to look again. */
  readonly raw: unknown;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
}

export function describeMachine(root: string): Machine {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const model = /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
  return {
    cpu: model,
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit:
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "--untracked-files=no") === "" ? "" : " with changes"),
  };
}

export function printTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    row.ours,
    row.against ?? "",
    row.ratio === undefined ? "" : row.ratio.toFixed(2),
    row.spread === undefined ? "" : row.spread.map((ratio) => ratio.toFixed(2)).join("–"),
    row.target,
    row.target === "" ? "" : row.reached ? "yes" : "NO",
  ]);
  const table = [["what", "ours", "against", "ratio", "spread", "target", "reached"], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  return table
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Keeps the results: `bench/results/<date>.json`, or `<date>-<part>.json` for a part. */
export function saveResults(root: string, machine: Machine, rows: readonly Row[], part: "all" | Part): string {
  const directory = join(root, "bench/results");
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${new Date().toISOString().slice(0, 10)}${part === "all" ? "" : `-${part}`}.json`);
  writeFileSync(path, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  return path;
}
