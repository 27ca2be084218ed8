import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ROOT, run } from "../support/lab.ts";
import { fencedBlocks, outputPattern, parseTranscript } from "../support/transcript.ts";

/** Pages about the policy engine: they need no lab. */
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

beforeAll(async () => {
  // builds what is older than its source, and says so once, here
  expect(await run(join(ROOT, "bin/shieldgate"), ["policy", "--help"])).toMatchObject({ code: 0 });
});

test.each(["02-policy-library", "05-shop", "07-recorded-flows"])(
  "examples/%s: its expected.txt is what its commands print",
  async (folder) => {
    const directory = join(ROOT, "examples", folder);
    const exchanges = parseTranscript(read(`examples/${folder}/expected.txt`));
    const commands = fencedBlocks(read(`examples/${folder}/README.md`), "sh")
      .join("")
      .trim()
      .split("\n");
    expect(exchanges.map(({ command }) => command)).toEqual(commands);
    for (const { command, output } of exchanges) {
      const { stdout } = await run("sh", ["-c", `${command} 2>&1`], process.env, directory);
      expect(stdout, command).toMatch(outputPattern(output));
    }
  },
);

test("examples/02-policy-library: world.jsonl has the policies of policy.yaml", () => {
  const { policies } = JSON.parse(read("examples/02-policy-library/world.jsonl")) as { policies: string[] };
  expect(policies).toEqual([read("examples/02-policy-library/policy.yaml")]);
});

describe("docs/policy-engine.md", () => {
  const page = read("docs/policy-engine.md");

  test.each([[[]], [["--conditions=shieldgate-source"]]])("its code prints what it says (%j)", async (flags) => {
    const code = fencedBlocks(page, "ts").join("");
    const node = join(ROOT, "scripts/with-node.sh");
    const result = await run("sh", [node, "node", ...flags, "--input-type=module-typescript", "--eval", code]);
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe(`${/^prints `(.*)`/m.exec(page)![1]}\n`);
  });

  test("the functions that it names are there", async () => {
    const library = Object.keys(await import("../../src/policy/index.ts"));
    const table = page.slice(page.indexOf("| what | for |"), page.indexOf("In a checkout"));
    const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(library).toEqual(expect.arrayContaining(named));
  });
});
