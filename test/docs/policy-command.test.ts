import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT, run } from "../support/lab.ts";

/** `bin/shieldgate policy` as a person types it; the parts are tested in src/cli/policy. */
const shieldgate = join(ROOT, "bin/shieldgate");
const sh = (script: string) => run("sh", ["-c", script], process.env, join(ROOT, "examples/02-policy-library"));

beforeAll(async () => {
  expect(await run(shieldgate, ["policy", "--help"])).toMatchObject({ code: 0 });
});

test("eval answers from a file, from standard input, and beside a lab's name", async () => {
  const answers = await sh(`${shieldgate} policy eval world.jsonl`);
  expect(answers).toMatchObject({ code: 0, stderr: "" });
  expect(answers.stdout.trimEnd().split("\n")).toHaveLength(4);
  for (const command of [
    "policy eval <world.jsonl",
    "policy eval - <world.jsonl",
    "--name other policy eval world.jsonl",
  ])
    expect((await sh(`${shieldgate} ${command}`)).stdout).toBe(answers.stdout);
});

test("a bad line is named, the others are answered, and the exit code says so", async () => {
  const result = await sh(`(cat world.jsonl; echo '{'; cat world.jsonl) | ${shieldgate} policy eval`);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/^shieldgate policy: line 2: not JSON: .*\n$/);
  expect(result.stdout.trimEnd().split("\n")).toHaveLength(8);
});

test("a file that is not there is named", async () => {
  expect(await sh(`${shieldgate} policy eval none.jsonl`)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("none.jsonl"),
  });
});

test("a reader that has seen enough ends it in silence", async () => {
  const feed = `i=0; while [ $i -lt 300 ]; do cat world.jsonl; i=$((i+1)); done 2>/dev/null`;
  const result = await sh(`(${feed}) | (${shieldgate} policy eval; echo "exit $?" >&2) | head -n 1`);
  expect(result.stderr).toBe("exit 0\n");
  expect(result.stdout).toContain('"id":"read"');
});

test("validate refuses with line and field, and its exit code says so", async () => {
  const good = await sh(`${shieldgate} policy validate policy.yaml`);
  expect(good).toMatchObject({ code: 0, stdout: "2 objects: 0 errors, 0 warnings\n" });
  const bad = await sh(`sed 's/method: GET/methd: GET/' policy.yaml | ${shieldgate} policy validate -`);
  const lines = readFileSync(join(ROOT, "examples/02-policy-library/policy.yaml"), "utf8").split("\n");
  const line = lines.findIndex((text) => text.includes("method: GET")) + 1;
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain(`-:${line}: error: spec.ingress[0].toPorts[0].rules.http[0].methd: unknown field`);
});

test("starts from compiled code, and without it says the same", async () => {
  const start = join(ROOT, "dist/start");
  const cache = readdirSync(start).find((file) => file.endsWith(".cache"))!;
  const script = join(start, cache.replace(".cache", ".cjs"));
  const taken = `
    const { readFileSync } = require("node:fs");
    const source = "(function(require,module,exports,__filename,__mainUrl){" + readFileSync("${script}", "latin1") + "\\n})";
    process.stdout.write(String(new (require("node:vm").Script)(source, { cachedData: readFileSync("${join(start, cache)}") }).cachedDataRejected));`;
  const node = (...args: string[]) => run("sh", [join(ROOT, "scripts/with-node.sh"), "node", ...args]);
  expect(await node("-e", taken)).toMatchObject({ code: 0, stdout: "false" });
  const copy = mkdtempSync(join(tmpdir(), "policy-start-"));
  cpSync(start, copy, { recursive: true });
  const question = ["explain", "--from", "cart", "--to", "cart-store:6379", join(ROOT, "examples/05-shop")];
  const right = await run(shieldgate, ["policy", ...question]);
  expect(right).toMatchObject({ code: 0, stderr: "" });
  for (const damaged of [readFileSync(join(start, cache)).subarray(0, 5000), Buffer.alloc(4096)]) {
    writeFileSync(join(copy, cache), damaged);
    expect(await node(join(copy, "policy.cjs"), ...question)).toMatchObject({ code: 0, stdout: right.stdout });
  }
  rmSync(copy, { recursive: true });
});
