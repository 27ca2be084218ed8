import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { loopbackStreams } from "../../../test/support/loopback-streams.ts";
import type { ByteStream } from "../byte-stream.ts";
import type { Listening } from "../listeners.ts";
import { loop } from "./loop.ts";
import type { EpollSocket } from "./socket.ts";

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) one.close();
});

/** A stream that was accepted and node's socket at its other end. */
async function accepted(): Promise<{ stream: EpollSocket; peer: Socket; listening: Listening }> {
  let port = 0;
  const arrival = Promise.withResolvers<ByteStream>();
  const listening = await loopbackStreams(
    () => 0,
    (_, bound) => {
      port = bound;
    },
  ).listenStreams(0, "ingress", arrival.resolve);
  const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  peer.on("error", () => undefined);
  closing.push(listening, { close: () => peer.destroy() });
  const stream = (await arrival.promise) as EpollSocket;
  closing.push({ close: () => stream.destroy() });
  stream.on("error", () => undefined);
  return { stream, peer, listening };
}

/** A stream that connects to a port. */
function connectTo(port: number): ByteStream {
  const streams = loopbackStreams(
    () => port,
    () => undefined,
  );
  const stream = streams.connectStream({} as never);
  closing.push({ close: () => stream.destroy() });
  return stream;
}

/** A server of node's; its port. */
async function serving(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, serve).listen(0, "127.0.0.1");
  closing.push(server);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** All that a stream gives until its end. */
function textOf(stream: Pick<ByteStream, "on">): Promise<string> {
  let text = "";
  stream.on("data", (chunk) => {
    text += Buffer.from(chunk).toString("latin1");
  });
  return new Promise((resolve) => stream.on("end", () => resolve(text)));
}

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("a stream of the epoll set", () => {
  test("knows its ends", async () => {
    const { stream, peer } = await accepted();
    expect(stream).toMatchObject({ remoteAddress: "127.0.0.1", localAddress: "127.0.0.1" });
    await vi.waitFor(() => expect(peer.remotePort).toBe(stream.localPort));
    expect(stream.remotePort).toBe(peer.localPort);
  });

  test("ends one direction and goes on with the other, then closes", async () => {
    const { stream, peer } = await accepted();
    const closed = once(stream, "close");
    const heard = textOf(stream);
    peer.end("question");
    expect(await heard).toBe("question");
    stream.write(bytes("answer"));
    stream.end();
    expect(String((await once(peer, "data"))[0])).toBe("answer");
    await closed;
  });

  test("keeps the order of what is written in one event, whatever its size", async () => {
    const { stream, peer } = await accepted();
    const parts = [3, 20_000, 5, 70_000, 1, 2, 16_384, 9].map((size, index) => String(index).repeat(size));
    stream.on("data", () => {
      for (const part of parts) stream.write(bytes(part));
      stream.end();
    });
    peer.write("go");
    expect(await textOf(peer)).toBe(parts.join(""));
  });

  /** Writes; calls `between` when that waits to be sent with what others, who come later, may have. What the peer hears. */
  async function inOneTurn(between: (stream: EpollSocket) => void): Promise<string> {
    const { stream, peer } = await accepted();
    const later = await serving((socket) => socket.destroy());
    stream.on("data", () => {
      stream.write(bytes("one"));
      loop.atTurnEnd({ turnEnds: () => between(stream) });
      connectTo(later).on("error", () => undefined);
    });
    peer.write("go");
    return textOf(peer);
  }

  test("has sent what was written before its descriptor is another's", async () => {
    const heard: Promise<string>[] = [];
    const port = await serving((socket) => heard.push(textOf(socket)));
    const text = await inOneTurn((stream) => {
      stream.destroy();
      connectTo(port).end();
    });
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    expect([text, await heard[0]]).toEqual(["one", ""]);
  });

  test("keeps the order of what is written while its part waits for the others", async () => {
    const text = await inOneTurn((stream) => {
      stream.write(bytes(" two"));
      stream.end();
    });
    expect(text).toBe("one two");
  });

  test("keeps what came while nobody wanted it", async () => {
    const { stream, peer } = await accepted();
    const heard = textOf(stream);
    stream.pause();
    peer.write("one ");
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.end("two");
    stream.resume();
    expect(await heard).toBe("one two");
  });

  test("asks its writer to wait for a slow reader, and loses nothing", async () => {
    const { stream, peer } = await accepted();
    peer.pause();
    const part = Buffer.alloc(64 * 1024, "p");
    let parts = 0;
    while (stream.write(part)) parts++;
    expect(stream.writableNeedDrain).toBe(true);
    expect(parts).toBeLessThan(1024);
    const drained = once(stream, "drain");
    let received = 0;
    peer.on("data", (chunk) => {
      received += chunk.length;
    });
    peer.resume();
    await drained;
    expect(stream.writableNeedDrain).toBe(false);
    stream.end();
    await once(peer, "end");
    expect(received).toBe((parts + 1) * part.length);
  });

  test("gives nothing while paused, and all of it later, even when the other side is gone", async () => {
    const { stream, peer } = await accepted();
    const seen: string[] = [];
    stream.on("data", (chunk) => seen.push(Buffer.from(chunk).toString()));
    stream.pause();
    stream.end();
    peer.end("late");
    await once(peer, "close");
    expect(seen).toEqual([]);
    const ended = once(stream, "end");
    stream.resume();
    await ended;
    expect(seen).toEqual(["late"]);
  });

  test("tells of a reset", async () => {
    const { stream, peer } = await accepted();
    const error = new Promise((resolve) => stream.on("error", resolve));
    peer.resetAndDestroy();
    expect(await error).toMatchObject({ code: "ECONNRESET" });
  });

  test("resets", async () => {
    const { stream, peer } = await accepted();
    const error = new Promise((resolve) => peer.once("error", resolve));
    stream.resetAndDestroy();
    expect(await error).toMatchObject({ code: "ECONNRESET" });
  });

  test("says when nothing moved for so long", async () => {
    const { stream } = await accepted();
    const idle = vi.fn();
    stream.setTimeout(5, idle);
    await once(stream, "timeout");
    expect(idle).toHaveBeenCalledOnce();
  });

  test("sends what was written before it was connected", async () => {
    const stream = connectTo(await serving((socket) => socket.pipe(socket)));
    const written = vi.fn();
    const heard = textOf(stream);
    stream.write(bytes("one "), written);
    stream.write(bytes("two"));
    stream.end();
    expect(await heard).toBe("one two");
    expect(written).toHaveBeenCalledOnce();
  });

  test("tells of a server that is not there", async () => {
    const lost = connectTo(1);
    const error = new Promise((resolve) => lost.on("error", resolve));
    expect(await error).toMatchObject({ code: "ECONNREFUSED" });
  });
});
