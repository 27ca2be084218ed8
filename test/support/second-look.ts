import type { FileSummary, Summary } from "./reporter.ts";

/** More files than these are a fault of the code, or of the machine: no second look. */
const LOOKED_AT_AGAIN = 4;

/** What counts, and what was seen once only. */
interface SecondLook {
  readonly files: readonly FileSummary[];
  /** As they came out first. */
  readonly unsteady: readonly FileSummary[];
}

/**
 * Files with a fault once more, one after the other, each alone: what a full machine broke passes then, what the code broke
 * does not. A fault that comes twice counts; one that was seen only once is for telling by name, for it may be a race.
 */
export async function lookAgain(
  files: readonly FileSummary[],
  runAlone: (file: FileSummary) => Promise<Summary>,
): Promise<SecondLook> {
  const faulty = files.filter((file) => file.faults.length > 0);
  if (faulty.length > LOOKED_AT_AGAIN) return { files, unsteady: [] };
  const passed = new Map<FileSummary, FileSummary>();
  for (const file of faulty) {
    const { files: found, loose } = await runAlone(file);
    const again = found.find(({ path }) => path === file.path);
    // a run that ended before its end has not passed
    if (again?.faults.length === 0 && again.passed > 0 && loose.length === 0) passed.set(file, again);
  }
  return { files: files.map((file) => passed.get(file) ?? file), unsteady: [...passed.keys()] };
}
