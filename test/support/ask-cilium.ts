import { spawn } from "node:child_process";
import type { Answer, Scenario } from "../../src/policy/scenario.ts";

/** Names an answer: the same on both sides. */
export function answerKey({ scenario, id, policy, endpoint }: Answer): string {
  return `${scenario} ${id} ${policy ?? endpoint ?? ""}`;
}

/** Asks Cilium's engine, a program beside us, and returns its answers by `answerKey`. Rejects when it fails. */
export function askCilium(program: string, scenarios: readonly Scenario[]): Promise<Map<string, Answer>> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, { stdio: ["pipe", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    let complaint = "";
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(`Cilium's engine ended with ${code}: ${complaint}`));
      const lines = Buffer.concat(chunks).toString().trim().split("\n");
      const answers = lines.map((line) => JSON.parse(line) as Answer);
      return resolve(new Map(answers.map((answer) => [answerKey(answer), answer])));
    });
    child.stdin.on("error", () => {}); // it died: `close` says so
    child.stdin.end(scenarios.map((scenario) => JSON.stringify(scenario)).join("\n"));
  });
}
