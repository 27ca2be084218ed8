/**
 * A process that judges mutants: it imports the tests once, with Stryker's switches in the sources, and then turns on one mutant
 * after the other, as `run.ts` asks. It is killed, and another one started, when a mutant makes it run for ever.
 */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
import type { gathered } from "./stand-in.ts";

/** What the switches in the sources read and write. */
interface Switches {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  hitCount?: number | undefined;
  hitLimit?: number | undefined;
  mutantCoverage?: { readonly static: Hits; readonly perTest: Readonly<Record<string, Hits>> };
}
type Hits = Readonly<Record<string, number>>;

export interface Coverage {
  /** Tests that fail without any mutant, which judge none. */
  readonly failing: readonly string[];
  /** Of each test that is sound the milliseconds it took and how often it came by each mutant. */
  readonly tests: readonly { readonly id: number; readonly took: number; readonly hits: Hits }[];
  /** Mutants in what runs when a module is read. */
  readonly static: readonly string[];
}

/** `mutant` absent = what covers what. */
export type Question = { readonly mutant?: string; readonly tests?: readonly number[]; readonly hitLimit?: number };
/** `isTainted`: the test that killed it fails without it too, now; what follows needs a new process. */
export type Judgement = { readonly isKilled: boolean; readonly isTainted: boolean };

const standIn = new URL("./stand-in.ts", import.meta.url).href;
registerHooks({
  resolve: (name, context, next) => (name === "vitest" ? { url: standIn, shortCircuit: true } : next(name, context)),
});
const place = globalThis as { __stryker__?: Switches };
place.__stryker__ ??= {};
const switches = place.__stryker__;
const { gathered: tests } = (await import(standIn)) as { gathered: typeof gathered };
await import("./quick-property.ts");
for (const path of process.argv.slice(2)) await import(pathToFileURL(path).href);

async function passes(id: number): Promise<boolean> {
  try {
    await tests[id]!.body();
    return true;
  } catch {
    return false;
  }
}

async function cover(): Promise<Coverage> {
  const failing: string[] = [];
  const sound: Coverage["tests"][number][] = [];
  for (const [id, { name }] of tests.entries()) {
    switches.currentTestId = `t${id}`;
    const start = performance.now();
    if (!(await passes(id))) failing.push(name);
    else sound.push({ id, took: performance.now() - start, hits: switches.mutantCoverage?.perTest[`t${id}`] ?? {} });
  }
  switches.currentTestId = undefined;
  return { failing, tests: sound, static: Object.keys(switches.mutantCoverage?.static ?? {}) };
}

async function judge({ mutant, tests: ids = [], hitLimit }: Question): Promise<Judgement> {
  for (const id of ids) {
    Object.assign(switches, { activeMutant: mutant, hitCount: 0, hitLimit });
    const isPassed = await passes(id);
    Object.assign(switches, { activeMutant: undefined, hitCount: undefined, hitLimit: undefined });
    if (!isPassed) return { isKilled: true, isTainted: !(await passes(id)) };
  }
  return { isKilled: false, isTainted: false };
}

process.on("message", async (question: Question) => {
  process.send!(question.mutant === undefined ? await cover() : await judge(question));
});
process.on("disconnect", () => process.exit());
