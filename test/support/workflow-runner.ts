import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./lab.ts";

/** One step of a workflow's job or of a composite action, as far as ours need it. */
export interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly if?: string;
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: string;
}

export interface CompositeAction {
  readonly inputs: Readonly<Record<string, { readonly default: string }>>;
  readonly outputs: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

/** Where steps run, and what they find there. */
export interface Runner {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** A folder for the files that GitHub's runner makes. */
  readonly scratch: string;
  readonly github: Readonly<Record<string, string>>;
  /** Actions that `uses` names, without what stands behind @; undefined = one that leaves nothing to do. */
  readonly actions: Readonly<Record<string, CompositeAction | undefined>>;
}

export interface Outcome {
  readonly isSuccess: boolean;
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/** By what name an expression finds a value: `inputs.paths`, `steps.policy.outputs.diff`. */
type Context = Map<string, string>;

const SHELLS: Readonly<Record<string, readonly string[]>> = {
  sh: ["sh", "-e"],
  bash: ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
};

/** Runs steps one after the other; after one that fails only those of `always()`. Throws for what it does not know. */
export async function runSteps(steps: readonly Step[], runner: Runner, given: Context = new Map()): Promise<Outcome> {
  const context = new Map([...given, ...Object.entries(runner.github).map(([k, v]) => [`github.${k}`, v] as const)]);
  let [isSuccess, log] = [true, ""];
  for (const step of steps) {
    if (!isWanted(step.if ?? "success()", isSuccess, context)) continue;
    const outcome = step.uses === undefined ? await runScript(step, runner, context) : await use(step, runner, context);
    for (const [name, value] of Object.entries(outcome.outputs)) context.set(`steps.${step.id}.outputs.${name}`, value);
    isSuccess &&= outcome.isSuccess;
    log += outcome.log;
  }
  return { isSuccess, log, outputs: Object.fromEntries(context) };
}

async function use({ uses, with: values = {} }: Step, runner: Runner, context: Context): Promise<Outcome> {
  const name = uses!.split("@")[0]!;
  if (!Object.hasOwn(runner.actions, name)) throw new Error(`no action ${uses}`);
  const action = runner.actions[name];
  if (action === undefined) return { isSuccess: true, log: "", outputs: {} };
  const unknown = Object.keys(values).find((input) => !Object.hasOwn(action.inputs, input));
  if (unknown !== undefined) throw new Error(`${uses} has no input ${unknown}`);
  const { using, steps } = action.runs;
  if (using !== "composite" || steps.some(({ shell }) => shell === undefined))
    throw new Error(`${uses}: not composite, or a step without a shell`);
  const inputs = Object.entries(action.inputs).map(
    ([input, { default: usual }]) => [`inputs.${input}`, filled(values[input] ?? usual, context)] as const,
  );
  const outcome = await runSteps(steps, runner, new Map(inputs));
  const inside = new Map(Object.entries(outcome.outputs));
  const outputs = Object.entries(action.outputs).map(([output, { value }]) => [output, filled(value, inside)] as const);
  return { ...outcome, outputs: Object.fromEntries(outputs) };
}

async function runScript(step: Step, { cwd, env, scratch }: Runner, context: Context): Promise<Outcome> {
  const [program, ...options] = SHELLS[step.shell ?? "bash"] ?? [];
  if (program === undefined || step.run === undefined) throw new Error(`a step that cannot be run: ${step.shell}`);
  const folder = mkdtempSync(join(scratch, "step-"));
  const [script, output] = [join(folder, "script"), join(folder, "output")];
  writeFileSync(script, filled(step.run, context));
  writeFileSync(output, "");
  const own = Object.entries(step.env ?? {}).map(([name, text]) => [name, filled(text, context)]);
  const all = { ...env, ...Object.fromEntries(own), GITHUB_OUTPUT: output };
  const { code, stdout, stderr } = await run(program, [...options, script], all, cwd);
  const lines = readFileSync(output, "utf8").split("\n").filter(Boolean);
  const outputs = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
  return { isSuccess: code === 0, log: `${stdout}${stderr}`, outputs };
}

/** `success()` and `always()`, and whether a value is empty. */
function isWanted(condition: string, isSuccess: boolean, context: Context): boolean {
  const terms = condition.split("&&").map((term) => term.trim());
  const hasStatus = terms.some((term) => /^(always|success)\(\)$/.test(term));
  return (hasStatus || isSuccess) && terms.every((term) => isTrue(term, isSuccess, context));
}

function isTrue(term: string, isSuccess: boolean, context: Context): boolean {
  if (term === "always()") return true;
  if (term === "success()") return isSuccess;
  const [, name] = /^([\w.-]+) != ''$/.exec(term) ?? [];
  if (name === undefined) throw new Error(`an expression that is not known: ${term}`);
  return (context.get(name) ?? "") !== "";
}

/** What is not there is empty, as for GitHub. */
function filled(text: string, context: Context): string {
  return text.replace(/\$\{\{\s*(.*?)\s*\}\}/g, (_, name: string) => {
    if (!/^(inputs|steps|github)\.[\w.-]+$/.test(name)) throw new Error(`an expression that is not known: ${name}`);
    return context.get(name) ?? "";
  });
}
