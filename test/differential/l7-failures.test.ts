/** Servers that do not answer, behind the proxy and behind a real Envoy: clients are told the same. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { type Envoy, startEnvoy } from "../support/envoy.ts";
import { allow, converse, type LoopbackProxy, policyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";

const envoy = oracle("envoy");
const RULES = [{ path: "/ok" }];
const ASKED = "GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const onceAsked = (act: (socket: Socket) => void) => (socket: Socket) => void socket.once("data", () => act(socket));

const SERVERS: readonly [what: string, serve: (socket: Socket) => void][] = [
  ["closes at once", (socket) => void socket.end()],
  ["closes when it is asked", onceAsked((socket) => socket.end())],
  ["resets when it is asked", onceAsked((socket) => socket.resetAndDestroy())],
  ["answers something else", onceAsked((socket) => socket.end("hello\r\n\r\n"))],
  ["answers half a head", onceAsked((socket) => socket.end("HTTP/1.1 200 OK\r\n"))],
];

const length = "Content-Length: 2\r\n\r\nok";
/** What a server may say, whether it is an answer, and why Envoy thinks otherwise where it does. */
const ANSWERS: readonly [what: string, answer: string, passes: boolean, differs?: string][] = [
  ["a length", `HTTP/1.1 200 OK\r\n${length}`, true],
  ["no reason", `HTTP/1.1 200\r\n${length}`, true],
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true],
  ["to the end of the connection", "HTTP/1.1 200 OK\r\n\r\nok", true],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok", true],
  ["304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", true],
  ["204 with a length of 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true],
  ["204 with a length", `HTTP/1.1 204 No Content\r\n${length}`, false],
  ["204 in chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false],
  ["an interim answer with a length", `HTTP/1.1 103 Early Hints\r\n${length}HTTP/1.1 200 OK\r\n${length}`, false],
  ["a length and chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", false],
  ["two lengths", `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${length}`, false],
  ["the same length twice", `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${length}`, false],
  ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false],
  ["a space before a colon", `HTTP/1.1 200 OK\r\nX : a\r\n${length}`, false],
  ["a control character", `HTTP/1.1 200 OK\r\nX: \u0001\r\n${length}`, false],
  ["a status of two digits", `HTTP/1.1 20 OK\r\n${length}`, false],
  [
    "a switch that nobody asked for",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    false,
    "it passes it on",
  ],
  ["a length with leading zeros", "HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nok", false, "it takes the number"],
  ["a folded field", `HTTP/1.1 200 OK\r\nX: a\r\n b\r\n${length}`, false, "it unfolds"],
  ["lines that end in LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, "it takes LF"],
  ["a status of no class", `HTTP/1.1 999 Odd\r\n${length}`, false, "it takes any three digits"],
  ["another version", `HTTP/1.2 200 OK\r\n${length}`, false, "it looks at the first digit"],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "it reads them"],
  ["150 fields", `HTTP/1.1 200 OK\r\n${"X: a\r\n".repeat(150)}${length}`, true, "it takes 100"],
];

/** Status and body. */
function told(answer: string): string[] {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return [head.split("\r\n")[0]!, body.replace(/<(?:end|reset)>$/, "")];
}

describe.skipIf("missing" in envoy)(`a server that${skipNote(envoy)}`, () => {
  let serve: (socket: Socket) => void = () => undefined;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => undefined).resume();
    serve(socket);
  });
  const stop = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  let ours: LoopbackProxy;
  let theirs: Envoy;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    ours = await startLoopbackProxy(policyOf(allow(RULES)), () => undefined, { upstreamPort: port });
    theirs = await startEnvoy((envoy as { path: string }).path, RULES, port);
  });
  afterAll(async () => {
    theirs?.stop();
    await ours?.close();
    stop();
  });

  const compare = async () => {
    const said = told(await converse(ours.dial(), [ASKED]));
    expect(said).toEqual(told(await converse(connect(theirs.port, "127.0.0.1"), [ASKED])));
    return said;
  };
  test.each(SERVERS)("%s", async (_, act) => {
    serve = act;
    expect((await compare())[1]).toContain("upstream connect error or disconnect/reset before headers. reset reason: ");
  });
  test.each(ANSWERS)("answers with %s", async (_, answer, passes, differs) => {
    serve = onceAsked((socket) => socket.end(Buffer.from(answer, "latin1")));
    const isTaken = (said: string) => told(said)[0] !== "HTTP/1.1 502 Bad Gateway";
    expect(isTaken(await converse(ours.dial(), [ASKED]))).toBe(passes);
    expect(isTaken(await converse(connect(theirs.port, "127.0.0.1"), [ASKED]))).toBe(passes !== Boolean(differs));
  });
  test("is not there any more", async () => {
    stop();
    expect((await compare())[1]).toContain("remote connection failure");
  });
});
