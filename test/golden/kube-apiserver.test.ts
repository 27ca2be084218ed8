import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../../src/kube/server/test-server.ts";
import { type ComparableAnswer, differences, kept } from "../support/api-comparable.ts";
import { ApiConnection } from "../support/api-exchange.ts";
import { keptKind, makeKinds, shownKinds } from "../support/api-kinds.ts";
import { keptSaying, sayingsOf } from "../support/api-mistakes.ts";
import { GOLDEN_STORIES } from "../support/api-stories.ts";
import { answersTo, judge, prepareServer } from "../support/api-witness.ts";
import { saidOfCosts } from "../support/cel-costs.ts";

const linesOf = (name: string): string[] =>
  readFileSync(new URL(`kube-apiserver/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n");
const mistakes = linesOf("mistakes.jsonl");
const stories = linesOf("stories.jsonl").map((line) => JSON.parse(line) as ComparableAnswer[]);
const kinds = linesOf("kinds.jsonl");

let server: TestServer;
let ours: ApiConnection;
beforeAll(async () => {
  server = await startTestServer();
  const { authority } = server.server;
  ours = new ApiConnection(server.url, { ca: authority.ca, ...authority.client("admin", "admin", ["system:masters"]) });
  await prepareServer(ours);
});
afterAll(async () => {
  ours.close();
  await server.close();
});

// test/differential/kube-apiserver.test.ts holds what is kept to the real one
it("tells stories as a real kube-apiserver did", async () => {
  expect(stories).toHaveLength(GOLDEN_STORIES);
  let alike = 0;
  for (const [seed, answers] of stories.entries()) {
    let place = 0;
    for await (const { request, answer: whole } of answersTo(ours, seed)) {
      const answer = kept(whole);
      const theirs = answers[place++]!;
      const judgement = judge(request, answer, theirs);
      if (judgement === undefined) alike++;
      else if (judgement.known === undefined)
        expect.unreachable(`story ${seed}: ${JSON.stringify({ request, differences: differences(answer, theirs) })}`);
      if (judgement?.parts) break;
    }
  }
  expect(alike).toBeGreaterThan(GOLDEN_STORIES * 6);
});

it("shows objects of every kind as a real kube-apiserver did, and explains as many fields", async () => {
  expect(await makeKinds(ours)).toEqual([]);
  const shown: unknown[] = [];
  for await (const kind of shownKinds(ours)) shown.push(JSON.parse(JSON.stringify(keptKind(kind))));
  expect(shown).toEqual(kinds.map((line) => JSON.parse(line) as unknown));
});

it("says to common mistakes what a real kube-apiserver said", async () => {
  const said: unknown[] = [];
  for await (const saying of sayingsOf(ours)) said.push(JSON.parse(JSON.stringify(keptSaying(saying))));
  expect(said).toEqual(mistakes.map((line) => JSON.parse(line) as unknown));
});

it("estimates what rules cost as a real kube-apiserver did", async () => {
  expect(await saidOfCosts(ours)).toEqual(linesOf("costs.jsonl").map((line) => JSON.parse(line) as unknown));
});
