import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, describe, expect, test } from "vitest";
import { evaluate } from "./eval.ts";
import { linesOf, readAll } from "./input.ts";
import { checkText, validate } from "./validate.ts";

const scratch = mkdtempSync(join(tmpdir(), "shieldgate-policy-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Takes all that is written; `slow` asks for a pause after every piece. */
class Sink extends Writable {
  text = "";
  waiting = 0;
  constructor(slow = false) {
    super({ highWaterMark: slow ? 1 : 1 << 20, decodeStrings: false });
  }
  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    this.waiting = Math.max(this.waiting, this.writableLength);
    setImmediate(done);
  }
}

/** All that was written, once it has arrived. */
function textOf(sink: Sink): Promise<string> {
  return new Promise((resolve) => sink.end(() => resolve(sink.text)));
}

async function* pieces(...texts: readonly (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  yield* texts;
}

async function collect(source: AsyncIterable<readonly { number: number; text: string | undefined }[]>) {
  const lines: [number, string | undefined][] = [];
  for await (const some of source)
    lines.push(...some.map(({ number, text }): [number, string | undefined] => [number, text]));
  return lines;
}

describe("lines", () => {
  test("are whole wherever the pieces are cut, even within a character", async () => {
    const bytes = new TextEncoder().encode("eins\n\nzwölf\nlast");
    const expected = [
      [1, "eins"],
      [2, ""],
      [3, "zwölf"],
      [4, "last"],
    ];
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(await collect(linesOf(pieces(bytes.slice(0, cut), bytes.slice(cut)), 100))).toEqual(expected);
    }
  });

  test("a line beyond the limit is named and passed over, and one at the limit is not", async () => {
    const source = pieces("abc", "def", "g\nabcdef\n", "x".repeat(50), "\ny");
    expect(await collect(linesOf(source, 6))).toEqual([
      [1, undefined],
      [2, "abcdef"],
      [3, undefined],
      [4, "y"],
    ]);
  });

  test("a text that is too long is refused", async () => {
    expect(await readAll(pieces("abc", "def"), 6)).toBe("abcdef");
    await expect(readAll(pieces("abc", "def", "g"), 6)).rejects.toThrow("longer than 6");
  });
});

function scenario(id: string, extra: object = {}): string {
  const endpoints = [{ name: "a" }, { name: "b" }];
  const policies = [
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "p" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    },
  ];
  return JSON.stringify({ id, endpoints, policies, queries: [{ id: "q", from: "a", to: "b", port: 1 }], ...extra });
}

async function answersOf(lines: readonly string[], { explain = false, slow = false, longest = 1 << 20 } = {}) {
  const complaints: string[] = [];
  const sink = new Sink(slow);
  const complain = (text: string) => complaints.push(text);
  const complete = await evaluate(pieces(...lines.map((line) => `${line}\n`)), sink, { explain, complain }, longest);
  const answers = (await textOf(sink))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { scenario: string; verdict: string; ingress: { text?: string } });
  return { complete, complaints, answers, sink };
}

describe("eval", () => {
  test("answers scenarios in their order, and passes over blank lines", async () => {
    const { complete, complaints, answers } = await answersOf([scenario("1"), "  ", scenario("2")]);
    expect([complete, complaints]).toEqual([true, []]);
    expect(answers).toMatchObject([
      { scenario: "1", verdict: "denied" },
      { scenario: "2", verdict: "denied" },
    ]);
    expect(answers[0]!.ingress.text).toBeUndefined();
  });

  test("--explain says why, whatever the scenario's own settings are", async () => {
    const { answers } = await answersOf([scenario("1", { config: { policyMode: "default" } })], { explain: true });
    expect(answers[0]!.ingress.text).toContain("no rule allows it");
  });

  test.each([
    ["cut off", '{"id":', /line 2: not JSON: /],
    ["no scenario", '{"id":"x","querys":[]}', /line 2: querys: unknown field \(use one of: id, .*queries\)/],
    ["a list", "[]", /line 2: the scenario: must be an object/],
    ["too long", scenario("x".repeat(5000)), /line 2: longer than 4000 characters/],
  ])("a line that is %s is named, and the others are answered", async (_, bad, complaint) => {
    const { complete, complaints, answers } = await answersOf([scenario("1"), bad, scenario("3")], { longest: 4000 });
    expect(complete).toBe(false);
    expect(complaints).toEqual([expect.stringMatching(complaint)]);
    expect(answers.map((answer) => answer.scenario)).toEqual(["1", "3"]);
  });

  test("a policy that is refused is an answer, not a fault of the line", async () => {
    const { complete, answers } = await answersOf([scenario("1", { policies: [{ kind: "Pod" }] })]);
    expect(complete).toBe(true);
    expect(answers).toMatchObject([{ id: "!policy", policy: 0, verdict: "invalid" }, { verdict: "allowed" }]);
  });

  test("waits for a reader that is slow instead of holding the answers", async () => {
    const many = Array.from({ length: 40 }, (_, index) => scenario(`${index}`));
    const { answers, sink } = await answersOf(many, { slow: true });
    expect(answers).toHaveLength(40);
    expect(sink.waiting).toBeLessThan(sink.text.length / 20);
  });
});

const POLICIES = `# two documents
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: a
spec:
  endpointSelector:
    matchLabels: {app: 5}
  ingress:
    - toPorts:
        - ports:
            - port: "80"
              protocol: TPC
---
apiVersion: v1
kind: List
items:
  - apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: b}
    spec:
      podSelector: {}
      ingress: []
`;

describe("validate", () => {
  test("says line and field of every finding, in lists and later documents too", () => {
    const { findings, objects } = checkText(POLICIES);
    expect(objects).toBe(2);
    expect(findings.map(({ line, kind, text }) => `${line} ${kind} ${text.slice(0, text.indexOf(": "))}`)).toEqual([
      '8 error spec.endpointSelector.matchLabels["app"]',
      "13 error spec.ingress[0].toPorts[0].ports[0].protocol",
      "21 warning items[0].spec",
    ]);
  });

  test("is true with warnings alone, and false with an error or without a file", async () => {
    const [good, bad] = [join(scratch, "good.yaml"), join(scratch, "bad.yaml")];
    writeFileSync(good, POLICIES.slice(POLICIES.indexOf("---\n")));
    writeFileSync(bad, POLICIES);
    const complaints: string[] = [];
    const check = async (...files: string[]) => {
      const sink = new Sink();
      const isGood = await validate(files, sink, (text) => complaints.push(text));
      return [isGood, (await textOf(sink)).trimEnd().split("\n").at(-1)];
    };
    expect(await check(good)).toEqual([true, "1 object: 0 errors, 1 warning"]);
    expect(await check(good, bad)).toEqual([false, "3 objects: 2 errors, 2 warnings"]);
    expect(complaints).toEqual([]);
    expect(await check(join(scratch, "none"))).toEqual([false, "0 objects: 1 error, 0 warnings"]);
    expect(complaints).toEqual([expect.stringContaining("ENOENT")]);
  });

  test.each([
    ["nothing", "# only a comment\n", 1],
    ["what is no YAML", "a: 1\nb: [\n", 2],
    ["an alias", "a: 1\nb: *c\n", 2],
    ["what is no object", "---\n- 1\n", 2],
  ])("refuses %s, with the line", (_, text, line) => {
    expect(checkText(text).findings).toMatchObject([
      { line: expect.toSatisfy((found) => found >= line), kind: "error" },
    ]);
  });

  test("leaves objects of other kinds alone, and says which; what looks like a policy is none of them", async () => {
    const file = join(scratch, "app.yaml");
    const object = (kind: string) => `---\napiVersion: v1\nkind: ${kind}\nmetadata: {name: x}\n`;
    writeFileSync(
      file,
      `${POLICIES.slice(POLICIES.indexOf("---\n"))}${["Service", "Pod", "Service"].map(object).join("")}`,
    );
    const sink = new Sink();
    expect(await validate([file], sink, () => undefined)).toBe(true);
    expect(await textOf(sink)).toMatch(/\n1 object: 0 errors, 1 warning; 3 left alone \(Pod, Service\)\n$/);
    for (const kind of ["AdminNetworkPolicy", "CiliumNetworkPolcy", "CiliumCidrGroup"])
      expect(checkText(object(kind)).findings, kind).toMatchObject([{ line: 3, kind: "error" }]);
    expect(checkText("kind: Service\n").findings).toMatchObject([{ kind: "error" }]);
  });

  test("says what means nothing beside what is wrong", () => {
    const rule =
      '{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}],"rules":{"http":[{"path":"x"}]}},\n{"ports":[{"port":"none at all"}]}]}';
    const { findings } = checkText(
      `{"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","metadata":{"name":"a"},\n"spec":{"endpointSelector":{},"ingress":[${rule}]}}`,
    );
    expect(findings).toMatchObject([
      { line: 2, kind: "warning", text: expect.stringContaining("never matches") },
      { line: 3, kind: "error" },
    ]);
  });

  test("takes groups of CIDRs", () => {
    const group = (cidr: string) =>
      checkText(
        `{"apiVersion":"cilium.io/v2","kind":"CiliumCIDRGroup","metadata":{"name":"g"},\n"spec":{"externalCIDRs":["${cidr}"]}}`,
      );
    expect(group("192.0.2.0/24").findings).toEqual([]);
    expect(group("192.0.2.0/33").findings).toMatchObject([{ line: 2, kind: "error" }]);
  });
});
