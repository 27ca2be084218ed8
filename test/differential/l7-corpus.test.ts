/** The corpus of evasions through the proxy to real servers, and through a real Envoy: who sees what. */
import { connect } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { type CorpusCase, corpus, RULES } from "../l7/corpus.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { startEnvoy } from "../support/envoy.ts";
import { statusesOf } from "../support/http-run.ts";
import {
  freePort,
  hasNginx,
  isWithin,
  type RealServer,
  startGoServer,
  startNginx,
  startNodeServer,
} from "../support/http-servers.ts";
import { allow, policyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";

const CASES = corpus();
const go = oracle("http-server");
const envoy = oracle("envoy");
/** Silence after which nothing more is expected, in ms. */
const QUIET = 150;

const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** What comes back on a connection until its end or silence. */
function ask(port: number, sent: string): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const finish = () => {
      socket.destroy();
      resolve(received);
    };
    socket.setTimeout(QUIET, finish);
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("end", finish);
    socket.on("error", finish);
    socket.write(Buffer.from(sent, "latin1"));
  });
}

/** Asks for every case, some at a time. */
async function askAll(port: number): Promise<ReadonlyMap<CorpusCase, string>> {
  const answers = new Map<CorpusCase, string>();
  const waiting = [...CASES];
  const worker = async () => {
    for (let each = waiting.shift(); each !== undefined; each = waiting.shift())
      answers.set(each, await ask(port, each.sent));
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return answers;
}

async function behindProxy(server: RealServer): Promise<number> {
  closing.push(() => server.stop());
  const proxy = await startLoopbackProxy(policyOf(allow(RULES)), () => undefined, { upstreamPort: server.port });
  closing.push(() => proxy.close());
  const socket = proxy.dial();
  const port = await new Promise<number>((resolve) => socket.once("connect", () => resolve(socket.remotePort!)));
  socket.destroy();
  return port;
}

describe("a server behind the proxy sees no request that is not allowed", { timeout: 60_000 }, () => {
  const check = async (server: RealServer) => {
    await askAll(await behindProxy(server));
    expect(server.seen().length).toBeGreaterThan(30);
    expect(server.seen().filter((request) => !isWithin(request))).toEqual([]);
  };

  test("Node", async () => check(await startNodeServer()));
  test.skipIf("missing" in go)(`Go${skipNote(go)}`, async () => {
    if ("path" in go) await check(await startGoServer(go.path));
  });
  test.skipIf(!hasNginx())(`nginx${hasNginx() ? "" : " (skipped: nginx is not installed)"}`, async () =>
    check(await startNginx(await freePort())),
  );
});

describe.skipIf("missing" in envoy)(`Envoy in the proxy's place${skipNote(envoy)}`, () => {
  test("answers as the corpus says", { timeout: 60_000 }, async () => {
    const server = await startNodeServer();
    closing.push(() => server.stop());
    const real = await startEnvoy("path" in envoy ? envoy.path : "", RULES, server.port);
    closing.push(() => real.stop());
    const answers = await askAll(real.port);
    const found = CASES.map((each) => [each.name, statusesOf(answers.get(each) ?? "")] as const);
    const wanted = CASES.map(({ name, answers: ours, envoy: theirs }, index) => {
      if (theirs?.mayStop !== true) return [name, theirs?.answers ?? ours];
      return [name, ours.slice(0, Math.max(theirs.answers.length, found[index]?.[1].length ?? 0))];
    });
    expect(found).toEqual(wanted);
  });
});
