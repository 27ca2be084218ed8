import { expect, it } from "vitest";
import { DnsQuestions } from "./dns-questions.ts";

const QUERY = new Uint8Array(12);

function asking(nowMs: () => number = () => 0) {
  const said: string[] = [];
  const questions = new DnsQuestions(nowMs);
  const ask = (name: string) => {
    const asker = {
      answered: (bytes: Uint8Array, id: number) => bytes[2] === 0 && said.push(`${name} ${id}`) > 0,
      failed: (reason: string) => void said.push(`${name} ${reason}`),
    };
    const renamed = questions.begin(QUERY, asker);
    return renamed === undefined ? undefined : (renamed[0]! << 8) | renamed[1]!;
  };
  const answer = (id: number) => questions.answer(Uint8Array.of(id >> 8, id & 255, ...QUERY.subarray(2)));
  return { said, questions, ask, answer };
}

it("gives each answer to who asked, once, in whatever order they come", () => {
  const { said, questions, ask, answer } = asking();
  const ids = Array.from({ length: 4096 }, (_, index) => ask(String(index))!);
  expect(new Set(ids).size).toBe(4096);
  expect(ask("one too many")).toBeUndefined();
  // every third first, so that questions leave from the middle of what waits
  const order = [0, 1, 2].flatMap((rest) =>
    ids.map((id, index) => ({ id, index })).filter(({ index }) => index % 3 === rest),
  );
  for (const { id } of order) answer(id);
  for (const { id } of order) answer(id);
  expect(said).toEqual(order.map(({ id, index }) => `${index} ${id}`));
  expect(questions.size).toBe(0);
});

it("goes on waiting where something else came under the ID", () => {
  let nowMs = 0;
  const { said, questions, ask, answer } = asking(() => nowMs);
  const ids = Array.from({ length: 1000 }, (_, index) => ask(String(index))!);
  for (const id of ids) questions.answer(Uint8Array.of(id >> 8, id & 255, 1, ...QUERY.subarray(3)));
  expect([said.length, questions.size]).toEqual([0, 1000]);
  nowMs = 5000;
  const young = ask("young")!;
  for (const id of ids.slice(500)) answer(id);
  nowMs = 10_000;
  questions.forgetOld();
  for (const id of [...ids, young]) answer(id);
  expect(said).toEqual([...ids.slice(500).map((id, index) => `${index + 500} ${id}`), `young ${young}`]);
});

it("tells all that wait when the server is gone, and no one twice", () => {
  const { said, questions, ask, answer } = asking();
  const ids = [ask("a")!, ask("b")!, ask("c")!];
  answer(ids[1]!);
  questions.fail("gone");
  questions.fail("gone");
  for (const id of ids) answer(id);
  expect(said.sort()).toEqual([`a gone`, `b ${ids[1]}`, `c gone`]);
});

it("forgets who asked too long ago, and no one else", () => {
  let nowMs = 0;
  const { said, questions, ask, answer } = asking(() => nowMs);
  const old = Array.from({ length: 1000 }, () => ask("old")!);
  nowMs = 5000;
  const young = Array.from({ length: 1000 }, () => ask("young")!);
  nowMs = 10_000;
  questions.forgetOld();
  expect(questions.size).toBe(1000);
  for (const id of [...old, ...young]) answer(id);
  expect(said).toEqual(young.map((id) => `young ${id}`));
});
