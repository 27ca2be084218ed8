import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { Mutant } from "./report.ts";

/** Writes every mutant down as soon as it is judged, so that a run that is ended early has told something. */
class Stream {
  onMutantTested({ fileName, ...mutant }: Mutant & { readonly fileName: string }): void {
    appendFileSync("mutants.jsonl", `${JSON.stringify({ path: relative(process.cwd(), fileName), ...mutant })}\n`);
  }
}

/** What Stryker looks for in a module of plugins. */
export const strykerPlugins = [{ kind: "Reporter", name: "stream", injectableClass: Stream }];
