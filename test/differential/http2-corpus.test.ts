/** The corpus of HTTP/2 evasions through a real Envoy, with its answers to each stream beside ours. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RULES } from "../l7/corpus.ts";
import { type Http2Case, http2Corpus } from "../l7/http2-corpus.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { type Envoy, startEnvoy } from "../support/envoy.ts";
import { isWithin, type RealServer, startNodeServer } from "../support/http-servers.ts";
import { FrameConnection } from "../support/http2-frames.ts";
import { streamsOf } from "../support/http2-run.ts";

const envoy = oracle("envoy");
/** Silence after which nothing more is expected, in ms. */
const QUIET = 250;

/** What each stream gets until the connection's end or silence. */
function ask(port: number, sent: Uint8Array): Promise<Record<number, string>> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    const client = new FrameConnection(socket);
    socket.setTimeout(QUIET, () => socket.destroy());
    socket.on("close", () => resolve(streamsOf(client)));
    socket.write(sent);
  });
}

/** A request that is refused is no request, however that is said: 400, 501, a reset, or the end of the connection. */
function wordOf(said: string | undefined): string {
  const status = Number.parseInt(said ?? "", 10);
  return status === 200 || status === 403 || status === 307 ? String(status) : "refused";
}

const wordsOf = (said: Readonly<Record<number, string>>, streams: readonly string[]) =>
  Object.fromEntries(streams.map((stream) => [stream, wordOf(said[Number(stream)])]));

describe.skipIf("missing" in envoy)(`HTTP/2 evasions beside Envoy${skipNote(envoy)}`, () => {
  let server: RealServer;
  let theirs: Envoy;
  const found = new Map<string, Record<number, string>>();
  beforeAll(async () => {
    if ("missing" in envoy) return;
    server = await startNodeServer();
    theirs = await startEnvoy(envoy.path, RULES, server.port);
    await Promise.all(http2Corpus().map(async ({ name, sent }) => found.set(name, await ask(theirs.port, sent))));
  }, 30_000);
  afterAll(() => {
    theirs?.stop();
    server?.stop();
  });

  test.each(http2Corpus().map((each) => [each.name, each] as const))(
    "%s",
    (name, { streams, envoy: differs }: Http2Case) => {
      const said = found.get(name) ?? {};
      const all = [...new Set([...Object.keys(streams), ...Object.keys(said)])];
      const wanted = differs === undefined ? streams : (differs.streams ?? {});
      expect(wordsOf(said, all)).toEqual(wordsOf(wanted, all));
      if (differs !== undefined)
        expect(wordsOf(said, all), "no difference any more").not.toEqual(wordsOf(streams, all));
    },
  );

  test("no forbidden request reaches the server", () => {
    expect(server.seen().length).toBeGreaterThan(20);
    expect(server.seen().filter((request) => !isWithin(request))).toEqual([]);
  });
});
