import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { ROOT, run } from "../support/lab.ts";
import { fencedBlocks, parseTranscript } from "../support/transcript.ts";

/** examples/06-policy-repository as a repository of its own: at a desk, and as the action sees it. */
const EXAMPLE = join(ROOT, "examples/06-policy-repository");
const scratch = mkdtempSync(join(tmpdir(), "policy-repository-"));
const repository = join(scratch, "repository");
const tools = join(scratch, "bin");
const environment = { ...process.env, PATH: `${tools}:${process.env["PATH"]}` };
const sh = (script: string, more = {}) => run("sh", ["-c", script], { ...environment, ...more }, repository);
const git = (args: string) => sh(`git -c user.name=x -c user.email=x@example.com ${args}`);

interface Action {
  readonly inputs: Record<string, { default: string }>;
  readonly runs: { readonly steps: readonly { run: string; shell: string; env?: Record<string, string> }[] };
}
const action = parse(readFileSync(join(ROOT, "action.yml"), "utf8")) as Action;
interface Step {
  readonly uses?: string;
  readonly with?: Record<string, string>;
}
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

test("the steps of the action, with what the workflow gives it, tell the change and fail", async () => {
  const given = workflow.jobs.policy.steps.find(({ uses }) => uses?.startsWith("shieldgate/shieldgate@"))?.with ?? {};
  expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(given)));
  const [setUp, step] = action.runs.steps;
  expect(existsSync(join(ROOT, /"\$GITHUB_ACTION_PATH\/([^"]+)"/.exec(setUp!.run)![1]!))).toBe(true);
  const inputs = Object.entries(step!.env!).map(([name, text]) => {
    const input = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(text)![1]!;
    return [name, given[input] ?? action.inputs[input]!.default];
  });
  const files = {
    GITHUB_OUTPUT: join(scratch, "output"),
    GITHUB_STEP_SUMMARY: join(scratch, "summary"),
    RUNNER_TEMP: scratch,
  };
  const runStep = (base: string) =>
    sh(step!.run, { ...Object.fromEntries(inputs), ...files, GITHUB_ACTION_PATH: ROOT, GITHUB_BASE_REF: base });
  const changed = await runStep("main");
  expect(changed.code).toBe(1);
  expect(changed.stdout).toMatch(/^::error file=k8s\/blog\.policytest\.yaml,line=5/m);
  const comment = readFileSync(/^diff=(.*)$/m.exec(readFileSync(files.GITHUB_OUTPUT, "utf8"))![1]!, "utf8");
  expect(comment).toMatch(/^### Network policy: Connections: \d+ opened, 0 closed\.$/m);
  expect(readFileSync(files.GITHUB_STEP_SUMMARY, "utf8")).toBe(comment);
  writeFileSync(files.GITHUB_OUTPUT, "");
  expect(await git("checkout -q k8s")).toMatchObject({ code: 0 });
  expect(await runStep("")).toMatchObject({ code: 0 });
  expect(readFileSync(files.GITHUB_OUTPUT, "utf8")).toBe("diff=\n");
});

test("a packed package runs the policy commands, and names what it has not", async () => {
  const modules = join(repository, "node_modules");
  const steps = [
    `cd ${ROOT} && npm pack --ignore-scripts --offline --silent --pack-destination ${scratch}`,
    // What npm does with it, but for the libraries of the lab.
    `mkdir -p ${modules}/shieldgate ${modules}/.bin && tar -xzf ${scratch}/shieldgate-*.tgz -C ${modules}/shieldgate --strip-components=1`,
    `ln -s ../shieldgate/bin/shieldgate ${modules}/.bin/shieldgate`,
    `cd ${repository} && npx --offline --no shieldgate policy test k8s`,
  ];
  const withNode = join(ROOT, "scripts/with-node.sh");
  const results = [];
  for (const step of steps) results.push(await run("sh", [withNode, "sh", "-c", step]));
  expect(results.at(-1)!.stdout).toContain("4 passed, 0 failed, 0 errors");
  const up = await run("sh", [withNode, "sh", "-c", steps.at(-1)!.replace("policy test k8s", "status")]);
  expect(up).toMatchObject({ code: 1, stderr: expect.stringContaining("the lab needs a checkout") });
});
