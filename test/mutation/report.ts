/** The mutants that were judged, by file. */
export interface MutationReport {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

/** What this reads of one of Stryker's (mutation-testing-report-schema, version 2). */
export interface Mutant {
  readonly mutatorName: string;
  readonly replacement: string;
  readonly status: "Killed" | "Timeout" | "Survived" | "NoCoverage" | "RuntimeError" | "CompileError" | "Ignored";
  /** Counted from 1. */
  readonly location: { readonly start: Place; readonly end: Place };
}

interface Place {
  readonly line: number;
  readonly column: number;
}

/** Reads what `stream.ts` wrote, one mutant a line. */
export function reportOf(lines: readonly string[], sourceOf: (path: string) => string): MutationReport {
  const mutants = lines.map((line) => JSON.parse(line) as Mutant & { readonly path: string });
  const byPath = Object.entries(Object.groupBy(mutants, ({ path }) => path));
  return {
    files: Object.fromEntries(byPath.map(([path, own = []]) => [path, { source: sourceOf(path), mutants: own }])),
  };
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").slice(0, 100);

function original(source: string, { start, end }: Mutant["location"]): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = lines[last]!.slice(0, end.column - 1);
  lines[0] = lines[0]!.slice(start.column - 1);
  return lines.join(" ");
}

/** One line for each change that no test noticed: `file:line: before -> after`. */
export function survivorLines({ files }: MutationReport): string[] {
  return Object.entries(files).flatMap(([path, { source, mutants }]) =>
    mutants
      .filter(({ status }) => status === "Survived" || status === "NoCoverage")
      .map(({ location, replacement, status }) => {
        const note = status === "NoCoverage" ? " (no test runs it)" : "";
        const place = `${path}:${location.start.line}:${location.start.column}`;
        return `${place}: ${oneLine(original(source, location))} -> ${oneLine(replacement)}${note}`;
      }),
  );
}

/** Killed of all, by file and in total; a mutant that runs out of time or cannot run is killed. */
export function tableLines({ files }: MutationReport): string[] {
  const counts = Object.entries(files).map(([path, { mutants }]) => {
    const count = (...statuses: readonly Mutant["status"][]) =>
      mutants.filter(({ status }) => statuses.includes(status)).length;
    const survived = count("Survived", "NoCoverage");
    const timeouts = count("Timeout");
    return { path, survived, timeouts, killed: count("Killed", "RuntimeError", "CompileError") + timeouts };
  });
  const sum = (field: "survived" | "timeouts" | "killed") => counts.reduce((total, each) => total + each[field], 0);
  const total = { path: "total", survived: sum("survived"), timeouts: sum("timeouts"), killed: sum("killed") };
  return [...counts, total].map(({ path, survived, timeouts, killed }) => {
    const all = survived + killed;
    const share = all === 0 ? "-" : `${Math.round((100 * killed) / all)} %`;
    return `${path.padEnd(40)} ${killed}/${all} killed (${share}), ${timeouts} of them by the clock`;
  });
}
