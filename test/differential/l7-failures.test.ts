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
  test("is not there any more", async () => {
    stop();
    expect((await compare())[1]).toContain("remote connection failure");
  });
});
