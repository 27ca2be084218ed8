import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { commandFor, type LabPaths } from "../paths.ts";
import { down, up } from "../up.ts";
import { type Chapter, type Scene, STORY } from "./story.ts";

type Style = Parameters<typeof styleText>[0];

/** Colour on a terminal, plain text otherwise. */
function paint(style: Style, text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}

interface Shown {
  readonly code: number;
  readonly output: string;
}

/** How long a watching command gets to say that it saw what happened. */
const WATCH_MS = 5000;
/** How long a watching command gets to be connected, and what hubble says on standard error when it is, if it is asked to say more. */
const CONNECT_MS = 10_000;
const CONNECTED = /Receiving flows from \d+ nodes/;

function environment(paths: LabPaths): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: paths.kubeconfig, PATH: `${paths.bin}:${process.env["PATH"] ?? ""}` };
}

function execute(paths: LabPaths, text: string): Promise<Shown> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", text], {
      env: environment(paths),
      cwd: join(paths.root, "examples/01-star-wars"),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

interface Watch {
  /** Waits until it sees what happens from now on; false = it does not get there. */
  connected(): Promise<boolean>;
  /** Ends it and returns its output once it shows everything, or when time is up; of one that failed, what it complained of. */
  seen(shows: readonly RegExp[]): Promise<string>;
}

async function until(isSo: () => boolean, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!isSo() && Date.now() < deadline) await sleep(20);
  return isSo();
}

/** Starts a watching command. */
function startWatch(paths: LabPaths, text: string): Watch {
  const env = { ...environment(paths), HUBBLE_DEBUG: "true" };
  const child = spawn("sh", ["-c", `exec ${text}`], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [output, said] = ["", ""];
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  return {
    async connected() {
      await until(() => CONNECTED.test(said) || child.exitCode !== null, CONNECT_MS);
      return CONNECTED.test(said);
    },
    async seen(shows) {
      await until(() => shows.every((pattern) => pattern.test(output)), WATCH_MS);
      child.kill();
      return CONNECTED.test(said) ? output : said;
    },
  };
}

function missing(scene: Scene, shown: Shown): string[] {
  const problems = scene.shows
    .filter((pattern) => !pattern.test(shown.output))
    .map((pattern) => `it does not show ${pattern}`);
  if (shown.code !== scene.code) problems.push(`exit code ${shown.code}, expected ${scene.code}`);
  return problems;
}

async function play(paths: LabPaths, scene: Scene): Promise<string[]> {
  console.log(paint("bold", `\n$ ${scene.command}`));
  const watch = scene.watch && startWatch(paths, scene.watch.command);
  const isWatching = (await watch?.connected()) ?? true;
  const deadline = Date.now() + (scene.patienceMs ?? 0);
  let shown = await execute(paths, scene.command);
  while (missing(scene, shown).length > 0 && Date.now() < deadline) {
    await sleep(100);
    shown = await execute(paths, scene.command);
  }
  print(shown.output, scene.highlight);
  const problems = missing(scene, shown);
  if (!isWatching) problems.push("the watch does not connect");
  if (watch && scene.watch) {
    console.log(paint("bold", `$ ${scene.watch.command}`) + paint("dim", "   # in another terminal, meanwhile"));
    const output = await watch.seen(scene.watch.shows);
    print(output);
    problems.push(
      ...scene.watch.shows
        .filter((pattern) => !pattern.test(output))
        .map((pattern) => `the watch does not show ${pattern}`),
    );
  }
  for (const problem of problems) console.log(paint("red", `✗ ${problem}`));
  return problems;
}

/** Prints the output, or only the lines that matter of it, with a mark where some are left out. */
function print(output: string, highlight?: RegExp): void {
  let isCut = false;
  for (const line of output.trimEnd().split("\n")) {
    if (highlight === undefined || highlight.test(line)) console.log(`  ${line}`);
    else if (!isCut) console.log(paint("dim", "  …"));
    isCut = highlight !== undefined && !highlight.test(line);
  }
}

async function tell(paths: LabPaths, chapter: Chapter, number: number): Promise<string[]> {
  console.log(`\n${paint("cyan", `── ${number}. ${chapter.title} ──`)}`);
  const problems: string[] = [];
  for (const scene of chapter.scenes) {
    problems.push(...(await play(paths, scene)).map((problem) => `${scene.command}: ${problem}`));
  }
  console.log(`\n${paint("green", "→")} ${chapter.lesson}`);
  return problems;
}

/** Plays the story against the lab. True when every command showed what it must. */
export async function demo(paths: LabPaths, options: { down: boolean }): Promise<boolean> {
  const result = await up(paths);
  console.log(
    `Lab ${paths.lab}: ${result.settings.nodes.length} nodes, ready after ${(result.milliseconds / 1000).toFixed(1)} s.`,
  );
  await execute(paths, "kubectl delete cnp rule1 --ignore-not-found");
  const problems: string[] = [];
  for (const [index, chapter] of STORY.entries()) problems.push(...(await tell(paths, chapter, index + 1)));
  if (options.down) await down(paths);
  if (problems.length > 0) {
    console.log(paint("red", `\nThe story went wrong:\n${problems.map((problem) => `  ${problem}`).join("\n")}`));
    console.log(`Logs are in ${paths.logs}; ${commandFor(paths.lab)} status shows what runs.`);
    return false;
  }
  console.log(paint("green", "\nEvery step showed what it must."));
  if (!options.down) printNextSteps(paths);
  return true;
}

function printNextSteps(paths: LabPaths): void {
  const self = commandFor(paths.lab);
  const steps = [
    [`eval "$(${self} env)"`, "kubectl, kc, c0, c1, c2 and hubble for this lab"],
    ["hubble observe -f", "every flow of the cluster as it happens"],
    ["c1 monitor -v --type l7", "the proxy's verdicts on node k8s-w1"],
    [`${self} status`, "what runs, and how much memory it takes"],
    [`${self} down`, "end it"],
  ] as const;
  const width = Math.max(...steps.map(([command]) => command.length));
  console.log("\nThe lab goes on running. Next:");
  for (const [command, what] of steps) console.log(`  ${command.padEnd(width)}  ${what}`);
}
