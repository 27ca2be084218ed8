/** Streams made of the corpus, changed at random and cut anywhere: nothing that is forbidden may reach a server, however it reads. */
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { corpus, RULES } from "../l7/corpus.ts";
import { runHttp } from "../support/http-run.ts";
import { lenientTargets } from "../support/lenient-http.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const RUNS = Number(process.env["SG_HTTP1_FUZZ"] ?? 3000);
const FIRST = Number(process.env["SG_HTTP1_FUZZ_SEED"] ?? 1);
const STREAMS = corpus()
  .map(({ sent }) => sent)
  .filter(({ length }) => length < 2000);
const PIECES = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0\r\n\r\n",
  "\r\n\r\n",
  "HTTP/1.1",
  "HTTP/1.0",
  "GET /secret HTTP/1.1\r\nHost: h\r\n\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Host: h\r\n",
  "Connection: close\r\n",
  "Upgrade: websocket\r\nConnection: Upgrade\r\n",
  "Expect: 100-continue\r\n",
  "/../",
  "%2e",
  "%2f",
  "//",
  "?",
  "#",
  "\\",
  "5\r\nhello\r\n",
  "ffffffff\r\n",
  "\x80\xff",
] as const;

const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nframes",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
] as const;

function mutated(random: Random, streams: readonly string[]): string {
  let stream = Array.from({ length: 1 + random.below(3) }, () => random.pick(streams)).join("");
  for (let changes = random.below(6); changes > 0; changes--) {
    const at = random.below(stream.length + 1);
    const end = Math.min(stream.length, at + 1 + random.below(12));
    stream = random.one([
      [4, () => stream.slice(0, at) + random.pick(PIECES) + stream.slice(at)],
      [2, () => stream.slice(0, at) + String.fromCharCode(random.below(256)) + stream.slice(at + 1)],
      [2, () => stream.slice(0, at) + stream.slice(end)],
      [1, () => stream.slice(0, end) + stream.slice(at)],
      [1, () => stream.slice(0, at)],
    ]);
  }
  return stream;
}

function cutAnywhere(stream: string, random: Random): string[] {
  const cuts = Array.from({ length: random.below(5) }, () => random.below(stream.length + 1)).sort((a, b) => a - b);
  return [...cuts, stream.length].map((end, index) => stream.slice(cuts[index - 1] ?? 0, end));
}

describe("HTTP/1 by chance", { timeout: 300_000 }, () => {
  test("no crash, no hang, no more bytes than came, and no forbidden request for any reader", async () => {
    let passed = 0;
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
      const random = new Random(seed);
      const stream = mutated(random, STREAMS);
      const run = await runHttp(RULES, cutAnywhere(stream, random));
      const what = `seed ${seed}: ${JSON.stringify(stream)}`;
      // an escape of one byte makes three of it, and nothing else grows
      expect(run.passed.length, what).toBeLessThanOrEqual(3 * stream.length);
      for (const target of lenientTargets(run.passed)) expect(target, what).toMatch(/^\/ok/);
      const whole = await runHttp(RULES, [stream]);
      expect([run.received, run.passed], what).toEqual([whole.received, whole.passed]);
      if (run.passed !== "") passed++;
    }
    console.log(`${RUNS} streams, something of ${passed} passed`);
    expect(passed).toBeGreaterThan(RUNS / 10);
  });

  test("whatever a server answers: no crash, no hang, and nothing that it did not say but one refusal", async () => {
    let begun = 0;
    for (let seed = FIRST; seed < FIRST + RUNS / 3; seed++) {
      const random = new Random(seed);
      const pieces = cutAnywhere(mutated(random, ANSWERS), random);
      const serve = (socket: Socket) => {
        socket.once("data", () => {
          for (const piece of pieces) socket.write(Buffer.from(piece, "latin1"));
          if (random.percent(50)) socket.end();
        });
      };
      const run = await runHttp(
        RULES,
        ["GET /ok HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD /ok HTTP/1.1\r\nHost: h\r\n\r\n"],
        serve,
      );
      const what = `seed ${seed}: ${JSON.stringify(pieces)}`;
      const said = run.received.split(/HTTP\/1\.1 50[23] /)[0]!;
      expect(pieces.join("").repeat(2).length, what).toBeGreaterThanOrEqual(said.length);
      if (said !== "") begun++;
    }
    expect(begun).toBeGreaterThan(RUNS / 30);
  });
});
