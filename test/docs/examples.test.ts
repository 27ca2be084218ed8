import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROOT, TestLab } from "../support/lab.ts";
import { fencedBlocks, outputPattern, parseTranscript } from "../support/transcript.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const lab = new TestLab(`e${process.pid}`);

beforeAll(async () => {
  await lab.up();
});
afterAll(() => lab.down().then(() => {}));

afterEach(async () => {
  await lab.sh(
    "kubectl delete --ignore-not-found -f http-sw-app.yaml; kubectl delete cnp,netpol,clusternetworkpolicies,ccg --all",
  );
});

async function expectExchanges(text: string, folder = "01-star-wars"): Promise<void> {
  const exchanges = parseTranscript(text);
  expect(exchanges.length).toBeGreaterThan(0);
  for (const { command, output } of exchanges) {
    const result = await lab.sh(`cd ${join(ROOT, "examples", folder)} && ${command} 2>&1`);
    const text = result.stdout.replaceAll("\r\n", "\n");
    const printed = text.endsWith("\n") || text === "" ? text : `${text}\n`;
    expect(printed, command).toMatch(output === "" ? /^$/ : outputPattern(output));
  }
}

describe.each(["01-star-wars", "03-tiers", "04-names"])("examples/%s", (folder) => {
  test("its expected.txt is what its commands print", async () => {
    const expected = read(`examples/${folder}/expected.txt`);
    const commands = fencedBlocks(read(`examples/${folder}/README.md`), "sh")
      .join("")
      .trim()
      .split("\n");
    expect(parseTranscript(expected).map((exchange) => exchange.command)).toEqual(commands);
    await expectExchanges(expected, folder);
  });
});

describe("README.md", () => {
  test("its session is what the commands print", async () => {
    const session = fencedBlocks(read("README.md"), "console")[0]!;
    const inside = session.slice(session.indexOf("$ cd examples/01-star-wars"));
    await expectExchanges(inside.slice(inside.indexOf("\n") + 1));
  });

  test("the commands that it names exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [, name] of read("README.md").matchAll(/`npm (?:run )?([a-z]+)/g))
      expect(Object.keys(scripts)).toContain(name);
  });
});
