/** Our API server and a real kube-apiserver are told the same stories: what they answer is alike, or the difference has a name. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../../src/kube/server/test-server.ts";
import { type ComparableAnswer, differences, kept } from "../support/api-comparable.ts";
import { ApiConnection } from "../support/api-exchange.ts";
import { comparableKind, keptKind, makeKinds, shownKinds } from "../support/api-kinds.ts";
import { keptSaying, SAID_OTHERWISE, sayingsOf } from "../support/api-mistakes.ts";
import { GOLDEN_STORIES } from "../support/api-stories.ts";
import { watchAndPage } from "../support/api-watch.ts";
import { answersTo, judge, prepareServer } from "../support/api-witness.ts";
import { RULES, saidOfRules } from "../support/cel-cases.ts";
import { saidOfCosts } from "../support/cel-costs.ts";
import { type RealApiServer, realApiServerMissing, startRealApiServer } from "../support/real-api-server.ts";

const missing = realApiServerMissing();
const why = missing === undefined ? "" : ` (skipped: ${missing})`;
/** Stories of twelve requests; SHIELDGATE_STORIES asks for more of them. */
const STORIES = Number(process.env["SHIELDGATE_STORIES"] ?? 300);

/** What differs, for people: without prose. */
const told = (ours: ComparableAnswer, theirs: ComparableAnswer): object[] =>
  differences(ours, theirs)
    .filter(({ path }) => !path.endsWith(".description"))
    .slice(0, 3);

describe.skipIf(missing !== undefined)(`answers as a real kube-apiserver does${why}`, () => {
  let real: RealApiServer;
  let test: TestServer;
  let ours: ApiConnection;
  const golden: string[] = [];
  const mistakes: string[] = [];
  const kinds: string[] = [];
  const costs: string[] = [];
  beforeAll(async () => {
    [real, test] = await Promise.all([startRealApiServer(), startTestServer()]);
    const { authority } = test.server;
    ours = new ApiConnection(test.url, { ca: authority.ca, ...authority.client("admin", "admin", ["system:masters"]) });
    await Promise.all([prepareServer(real.connection), prepareServer(ours)]);
  });
  afterAll(async () => {
    ours?.close();
    await Promise.all([real?.close(), test?.close()]);
  });

  it(`to ${STORIES} stories`, async () => {
    const unnamed: string[] = [];
    const named = new Map<string, number>();
    let alike = 0;
    for (let seed = 0; seed < STORIES; seed++) {
      const own = answersTo(ours, seed);
      const story: ComparableAnswer[] = [];
      let parted = false;
      for await (const { request, answer } of answersTo(real.connection, seed)) {
        story.push(kept(answer));
        if (parted) continue;
        const mine = (await own.next()).value!.answer;
        const judgement = judge(request, mine, answer);
        parted = judgement?.parts ?? false;
        if (judgement === undefined) alike++;
        else if (judgement.known !== undefined) named.set(judgement.known, (named.get(judgement.known) ?? 0) + 1);
        else unnamed.push(JSON.stringify({ seed, ...request, differences: told(mine, answer) }));
      }
      if (seed < GOLDEN_STORIES) golden.push(`${JSON.stringify(story)}\n`);
    }
    console.log(`${alike} answers alike; ${[...named].map(([name, count]) => `${count} ${name}`).join(", ")}`);
    expect(unnamed).toEqual([]);
    const all = [...named.values()].reduce((sum, count) => sum + count, alike);
    expect(alike / all).toBeGreaterThan(0.8);
  });

  it("to common mistakes", async () => {
    const unnamed: object[] = [];
    const needless: string[] = [];
    const own = sayingsOf(ours);
    for await (const said of sayingsOf(real.connection)) {
      const { answer } = (await own.next()).value!;
      const different = differences(answer, said.answer);
      if (said.title in SAID_OTHERWISE) needless.push(...(different.length === 0 ? [said.title] : []));
      else if (different.length > 0) unnamed.push({ title: said.title, differences: different.slice(0, 3) });
      mistakes.push(`${JSON.stringify(keptSaying(said))}\n`);
    }
    expect(unnamed).toEqual([]);
    expect(needless).toEqual([]);
  });

  it("shows objects of every kind, and explains their fields", async () => {
    expect(await makeKinds(real.connection)).toEqual([]);
    expect(await makeKinds(ours)).toEqual([]);
    const own = shownKinds(ours);
    for await (const theirs of shownKinds(real.connection)) {
      const mine = (await own.next()).value!;
      expect(differences(comparableKind(mine), comparableKind(theirs)), theirs.at).toEqual([]);
      kinds.push(`${JSON.stringify(keptKind(theirs))}\n`);
    }
  });

  it("asks rules of definitions", async () => {
    const [mine, theirs] = await Promise.all([saidOfRules(ours), saidOfRules(real.connection)]);
    expect(theirs).toHaveLength(2 * RULES.length);
    expect(mine).toEqual(theirs);
  });

  it("estimates what rules of definitions cost", async () => {
    const [mine, theirs] = await Promise.all([saidOfCosts(ours), saidOfCosts(real.connection)]);
    expect(mine).toEqual(theirs);
    costs.push(...theirs.map((said) => `${JSON.stringify(said)}\n`));
  });

  it("watches, streams and pages lists alike", async () => {
    const [mine, theirs] = await Promise.all([watchAndPage(ours), watchAndPage(real.connection)]);
    expect(mine).toEqual(theirs);
    expect(theirs.byLabel).toMatch(/^ADDED three.*MODIFIED one.*DELETED one/);
    expect(theirs.streamed).toMatch(/^(ADDED \w+ \S+ )+BOOKMARK end$/);
    expect(theirs.pages).toEqual([2, 1]);
  });

  it("what is kept of it for where it is not built is what it answers", async () => {
    expect(golden).toHaveLength(GOLDEN_STORIES);
    const file = (name: string) => fileURLToPath(new URL(`../golden/kube-apiserver/${name}`, import.meta.url));
    await expect(golden.join("")).toMatchFileSnapshot(file("stories.jsonl"));
    await expect(kinds.join("")).toMatchFileSnapshot(file("kinds.jsonl"));
    await expect(costs.join("")).toMatchFileSnapshot(file("costs.jsonl"));
    await expect(mistakes.join("")).toMatchFileSnapshot(file("mistakes.jsonl"));
  });
});
