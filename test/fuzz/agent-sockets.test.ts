/** Bytes that no client of ours sends, to all that listens in an agent's process and in the relay's: nothing ends, and who asks rightly is answered. */
import { randomUUID } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Observer } from "../../proto/gen/observer_pb.js";
import { serveShell } from "../../src/agent/shell/server.ts";
import { Shell } from "../../src/agent/shell/shell.ts";
import { createFlowRing } from "../../src/flow/index.ts";
import { createObserver, createRelay } from "../../src/hubble/index.ts";
import { Registry } from "../../src/metrics/index.ts";
import { AgentWorld } from "../support/agent-world.ts";

const world = new AgentWorld();
const path = (name: string) => join(world.directory, name);
const ring = createFlowRing(15);
const options = { nodeName: "default/n", version: "v0.1.0", now: Date.now };
const observer = createObserver({ ring, ...options });
const relay = createRelay({ peers: [], ...options });
let shell: { close(): void };

beforeAll(async () => {
  await world.startSynced();
  shell = await serveShell(path("shell.sock"), new Shell(new Registry()));
  await observer.serve([{ path: path("hubble.sock") }]);
  await relay.serve([{ path: path("relay.sock") }]);
});
afterAll(async () => {
  shell.close();
  await observer.close();
  await relay.close();
  await world.end();
});

/** What a client of each socket begins with, of which parts are sent. */
const HTTP = `POST /v1/endpoint/7 HTTP/1.1\r\nhost: a\r\ncontent-length: 4294967295\r\n\r\n{"a":`;
const CHUNKED = "PATCH /v1/config HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\nx";
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
const FRAME = (type: number, length: number) =>
  Buffer.from([length >> 16, (length >> 8) & 255, length & 255, type, 4, 0, 0, 0, 1, 1, 2, 3]);
const BEGINNINGS: readonly Buffer[] = [
  Buffer.from(HTTP),
  Buffer.from(CHUNKED),
  Buffer.from("GET /v1/%zz HTTP/1.1\r\nhost: a\r\n\r\nGET // HTTP/1.1\r\nhost: a\r\n\r\n"),
  Buffer.from("metrics -o json (((\nhelp\nstop"),
  PREFACE,
  ...[0, 1, 4, 8, 9].map((type) => Buffer.concat([PREFACE, FRAME(type, 0xffffff)])),
  Buffer.from("POST /observer.Observer/GetFlows HTTP/1.1\r\ncontent-type: application/grpc-web\r\n\r\n"),
];
const message = fc
  .tuple(fc.constantFrom(...BEGINNINGS, Buffer.alloc(0)), fc.nat(200), fc.uint8Array({ maxLength: 300 }))
  .map(([beginning, cut, bytes]) => Buffer.concat([beginning.subarray(0, cut), bytes]));

/** Sends and ends; resolves when the connection has closed, or nothing comes for a moment. */
function send(name: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(path(name), () => socket.end(bytes));
    const done = () => {
      socket.destroy();
      resolve();
    };
    socket.resume().setTimeout(50, done);
    socket.on("error", () => undefined).on("close", done);
  });
}

const observed = async (name: string) => {
  const sessions = new Http2SessionManager("http://n", undefined, { createConnection: () => connect(path(name)) });
  const transport = createGrpcTransport({ baseUrl: "http://n", sessionManager: sessions });
  const status = await createClient(Observer, transport).serverStatus({});
  sessions.abort();
  return status.version;
};
const shellSays = () =>
  new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connect(path("shell.sock"), () => socket.end("help\nstop\n"));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject).on("close", () => resolve(text));
  });

const SOCKETS: readonly (readonly [name: string, isWell: () => Promise<unknown>, wanted: unknown])[] = [
  ["shell.sock", shellSays, expect.stringContaining("<<end>>")],
  ["hubble.sock", () => observed("hubble.sock"), "v0.1.0"],
  ["relay.sock", () => observed("relay.sock"), "v0.1.0"],
  ["monitor1_2.sock", () => send("monitor1_2.sock", Buffer.alloc(0)), undefined],
  ["cilium.sock", async () => (await world.call("GET", "/v1/healthz")).status, 200],
];

describe.each(SOCKETS)("%s", (name, isWell, wanted) => {
  it("goes on after random bytes, half messages and huge lengths", async () => {
    const property = fc.asyncProperty(fc.array(message, { minLength: 4, maxLength: 8 }), async (messages) => {
      await Promise.all(messages.map((bytes) => send(name, bytes)));
    });
    await fc.assert(property, { numRuns: 8 });
    expect(await isWell()).toEqual(wanted);
  });
});

/** Answers of a call whose body says that it is longer than anybody may send, and goes on. */
function flooded(name: string, method: string): Promise<{ status: unknown; sent: number }> {
  const session = connectHttp2("http://n", { createConnection: () => connect(path(name)) });
  const stream = session.request({
    ...{ ":method": "POST", ":path": `/observer.Observer/${method}`, te: "trailers" },
    "content-type": "application/grpc+proto",
  });
  let sent = 0;
  const piece = Buffer.alloc(64 << 10);
  const more = () => {
    while (!stream.destroyed && stream.writable && sent < 16 << 20) {
      sent += piece.length;
      if (!stream.write(piece)) return void stream.once("drain", more);
    }
    stream.end();
  };
  return new Promise((resolve) => {
    const done = (head: { readonly "grpc-status"?: unknown }) => {
      if (head["grpc-status"] === undefined) return;
      session.destroy();
      resolve({ status: head["grpc-status"], sent });
    };
    stream.on("response", done).on("trailers", done);
    stream.on("error", () => undefined);
    stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    more();
  });
}

it.each(["hubble.sock", "relay.sock"].flatMap((name) => ["GetFlows", "ServerStatus"].map((call) => [name, call])))(
  "%s refuses what is too long for %s before it has read it",
  async (name, call) => {
    const { status, sent } = await flooded(name!, call!);
    expect(status).toBe("8");
    expect(sent).toBeLessThan(12 << 20);
  },
);

it("answers a path that is none with what is wrong, not with a fault of its own", async () => {
  expect((await world.call("GET", `//${randomUUID()}:x`)).status).toBeLessThan(500);
});
