import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { ROOT, run } from "../support/lab.ts";
import { fencedBlocks, parseTranscript } from "../support/transcript.ts";
import { type CompositeAction, runSteps, type Step } from "../support/workflow-runner.ts";

/** examples/06-policy-repository as a repository of its own: at a desk, and as the action sees it. */
const EXAMPLE = join(ROOT, "examples/06-policy-repository");
const scratch = mkdtempSync(join(tmpdir(), "policy-repository-"));
const repository = join(scratch, "repository");
const tools = join(scratch, "bin");
const environment = { ...process.env, PATH: `${tools}:${process.env["PATH"]}` };
const sh = (script: string, more = {}) => run("sh", ["-c", script], { ...environment, ...more }, repository);
const git = (args: string) => sh(`git -c user.name=x -c user.email=x@example.com ${args}`);

const action = parse(readFileSync(join(ROOT, "action.yml"), "utf8")) as CompositeAction;
const workflow = parse(readFileSync(join(EXAMPLE, ".github/workflows/policy.yaml"), "utf8")) as {
  jobs: { policy: { steps: Step[] } };
};

beforeAll(async () => {
  cpSync(EXAMPLE, repository, { recursive: true });
  mkdirSync(tools);
  symlinkSync(join(ROOT, "bin/shieldgate"), join(tools, "shieldgate"));
  // Builds what is older than its source, and says so.
  expect(await sh("shieldgate policy --help")).toMatchObject({ code: 0 });
  for (const args of ["init -q -b main", "add -A", "commit -qm first", "update-ref refs/remotes/origin/main HEAD"])
    expect(await git(args)).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(scratch, { recursive: true }));

test("its expected.txt is what its commands print", async () => {
  const expected = parseTranscript(readFileSync(join(EXAMPLE, "expected.txt"), "utf8"));
  const commands = fencedBlocks(readFileSync(join(EXAMPLE, "README.md"), "utf8"), "sh")
    .join("")
    .trim()
    .split("\n");
  expect(expected.map(({ command }) => command)).toEqual(commands);
  for (const { command, output } of expected)
    expect((await sh(`${command} 2>&1`)).stdout.trimEnd(), command).toBe(output);
});

/** The job of the workflow, as GitHub runs it for a pull request onto `base`; `gh` says what it was asked for. */
async function runJob(base: string, steps = workflow.jobs.policy.steps) {
  const summary = join(scratch, "summary");
  for (const path of [summary, join(scratch, "asked")]) rmSync(path, { force: true });
  const files = { GITHUB_STEP_SUMMARY: summary, RUNNER_TEMP: scratch, GITHUB_ACTION_PATH: ROOT, GITHUB_BASE_REF: base };
  const outcome = await runSteps(steps, {
    cwd: repository,
    env: { ...environment, ...files, ASKED: join(scratch, "asked") },
    scratch,
    github: { token: "secret", "event.number": "7" },
    actions: { "actions/checkout": undefined, "shieldgate/shieldgate": action },
  });
  const text = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
  return { ...outcome, summary: text(summary), asked: text(join(scratch, "asked")) };
}

test("the workflow tells the change and fails, and passes where there is none", async () => {
  writeFileSync(join(tools, "gh"), '#!/bin/sh\necho "$GH_TOKEN $*" > "$ASKED"\n', { mode: 0o755 });
  const changed = await runJob("main");
  expect(changed.isSuccess).toBe(false);
  expect(changed.log).toMatch(/^::error file=k8s\/blog\.policytest\.yaml,line=5/m);
  const file = changed.outputs["steps.policy.outputs.diff"]!;
  const comment = readFileSync(file, "utf8");
  expect(comment).toMatch(/^### Network policy: Connections: \d+ opened, 0 closed\.$/m);
  expect(changed.summary).toBe(comment);
  expect(changed.asked).toBe(`secret pr comment 7 --body-file ${file} --edit-last --create-if-none\n`);
  const [checkout, step, told] = workflow.jobs.policy.steps as [Step, Step, Step];
  const withInputs = (inputs: Step["with"]) => [checkout, { ...step, with: inputs! }, told];
  // without its tests only the change itself can fail, where one asks for that
  const paths = "k8s/workloads.yaml k8s/policies.yaml";
  expect((await runJob("main", withInputs({ paths }))).isSuccess).toBe(true);
  expect((await runJob("main", withInputs({ paths, "fail-on": "closed" }))).isSuccess).toBe(true);
  expect((await runJob("main", withInputs({ paths, "fail-on": "opened" }))).isSuccess).toBe(false);
  expect((await runJob("", withInputs({ paths, base: "main", "fail-on": "opened" }))).isSuccess).toBe(false);
  expect(await git("checkout -q k8s")).toMatchObject({ code: 0 });
  // not of a pull request: there is nothing to compare with, and nobody is told
  expect(await runJob("")).toMatchObject({ isSuccess: true, summary: "", asked: "" });
  const same = await runJob("", withInputs({ paths: "k8s", base: "HEAD", "fail-on": "any", strict: "yes" }));
  expect(same).toMatchObject({ isSuccess: true, summary: expect.stringContaining("Nobody may do more or less") });
  await expect(runJob("", [{ ...step, with: { path: "k8s" } }])).rejects.toThrow("has no input path");
});
