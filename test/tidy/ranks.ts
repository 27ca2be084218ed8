import { dirname, join, normalize } from "node:path/posix";
import { lineOf, type Source, type Violation } from "./sources.ts";

/** An import points to a lower rank or stays in its folder. */
export const RANKS: Readonly<Record<string, number>> = {
  model: 0,
  policy: 1,
  flow: 1,
  wire: 1,
  prove: 2,
  kube: 2,
  datapath: 2,
  proxy: 2,
  dns: 2,
  runtime: 2,
  programs: 2,
  history: 2,
  controllers: 3,
  kubelet: 3,
  agent: 3,
  hubble: 3,
  health: 3,
  lab: 4,
  connectivity: 4,
  cli: 5, // the mains: they wire the lab too, so they stand above it
};

/** No machine below, no clock, no chance: these come in as values. */
const PURE = new Set(["model", "policy", "flow", "wire", "prove"]);

/** Files that hold nothing but the types of a protocol, which both of its ends may import. */
const SHARED_CONTRACTS = new Set(["src/agent/api.ts"]);

const IMPURE =
  /(?<![\w.$])(?:process\s*\.|console\s*\.|Date\s*\.\s*now|new Date\(\)|Math\s*\.\s*random|performance\s*\.|crypto\s*\.|setTimeout\(|setInterval\()/g;
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)\s*import\s+"([^"]+)"/g;

export function checkRanks(sources: readonly Source[]): Violation[] {
  return sources.filter((source) => /^src\/.*\.ts$/.test(source.path)).flatMap(checkSource);
}

function checkSource(source: Source): Violation[] {
  const folder = source.path.split("/")[1]!;
  const rank = RANKS[folder];
  if (rank === undefined) return [{ path: source.path, line: 1, message: `src/${folder} has no rank` }];
  const isTest = source.path.endsWith(".test.ts");
  const found: Violation[] = [];
  const complain = (index: number, message: string) => {
    found.push({ path: source.path, line: lineOf(source.text, index + 1), message });
  };
  for (const match of source.text.matchAll(IMPORT)) {
    const target = match[1] ?? match[2] ?? match[3]!;
    const problem = isTest ? undefined : importProblem(source.path, folder, rank, target);
    if (problem !== undefined) complain(match.index, problem);
  }
  if (PURE.has(folder) && !isTest) {
    const code = source.text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
    for (const match of code.matchAll(IMPURE)) complain(match.index, `src/${folder} is pure, but uses ${match[0]}`);
  }
  return found;
}

function importProblem(path: string, folder: string, rank: number, target: string): string | undefined {
  if (target.startsWith("node:")) return PURE.has(folder) ? `src/${folder} is pure, but imports ${target}` : undefined;
  if (!target.startsWith(".")) return undefined;
  const resolved = normalize(join(dirname(path), target));
  if (resolved.startsWith("proto/gen/") || resolved === "package.json") return undefined;
  const other = resolved.startsWith("src/") ? resolved.split("/")[1]! : undefined;
  if (other === undefined) return `imports ${resolved}, outside src`;
  if (other === folder || SHARED_CONTRACTS.has(resolved)) return undefined;
  const otherRank = RANKS[other];
  if (otherRank === undefined || otherRank >= rank)
    return `${folder} (rank ${rank}) imports ${other} (rank ${otherRank})`;
  return undefined;
}
