import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import {
  allow,
  converse,
  type LoopbackProxy,
  policyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";
import { BodyReader } from "../wire/http-body.ts";
import { HeadReader, isFault } from "../wire/http-head.ts";
import { readRequest } from "../wire/http-request.ts";

interface Sent {
  readonly allowed: boolean;
  readonly body: string;
  readonly chunked: boolean;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  allowed: fc.boolean(),
  body: fc.constantFrom("", "x", "GET /yes HTTP/1.1\r\nHost: h\r\n\r\n", "0\r\n\r\n", "a".repeat(5000)),
  chunked: fc.boolean(),
});

function textOf({ allowed, body, chunked }: Sent): string {
  const head = `POST ${allowed ? "/yes" : "/no"} HTTP/1.1\r\nHost: h\r\n`;
  if (!chunked) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const chunk = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
}

function cut(text: string, at: readonly number[]): string[] {
  const ends = [...at].sort((a, b) => a - b).filter((end) => end > 0 && end < text.length);
  return [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

const LANDED = ["HTTP/1.1 200 OK\r\nTransfer-", "Encoding: chunked\r\n\r\n4\r\nfi", "ne\r\n0\r\n", "\r\n"];

/** A server with a reader of its own: answers each whole request, its answer cut in pieces. */
function answerWhole(): (received: string, socket: Socket) => void {
  const heads = new HeadReader();
  let body: BodyReader | undefined;
  return (received, socket) => {
    const bytes = Buffer.from(received, "latin1");
    for (let at = 0; at < bytes.length; ) {
      if (body === undefined) {
        const progress = heads.push(bytes, at, bytes.length);
        if (progress.state === "more") return;
        if (progress.state === "fault") throw new Error(progress.fault.fault);
        const request = readRequest(progress.head);
        if (isFault(request)) throw new Error(request.fault);
        at += progress.consumed;
        body = new BodyReader(request.framing);
      } else at += body.take(bytes, at, bytes.length);
      if (!body.done) continue;
      body = undefined;
      for (const piece of LANDED) socket.write(piece);
    }
  };
}

let proxy: LoopbackProxy | undefined;
afterEach(() => proxy?.close());

test("whatever is pipelined and however it is cut: the server gets exactly the allowed requests, the answers keep their order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sent, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(800), { maxLength: 6 }),
      async (all, cuts) => {
        proxy = await startLoopbackProxy(policyOf(allow([{ path: "/yes" }])), answerWhole());
        const last = { allowed: true, body: "", chunked: false };
        const requests = [...all, last];
        const wholes = requests.map(textOf);
        const received = await converse(
          proxy.dial(),
          cut(wholes.join(""), cuts),
          (text) => (text.match(/^HTTP\/1.1 /gm) ?? []).length >= requests.length && text.endsWith("0\r\n\r\n"),
        );
        const statuses = [...received.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => Number(match[1]));
        expect(statuses).toEqual(requests.map(({ allowed }) => (allowed ? 200 : 403)));
        expect(proxy.server.received).toBe(wholes.filter((_, index) => requests[index]!.allowed).join(""));
        expect(proxy.records.filter(({ type }) => type === "request").map(({ verdict }) => verdict)).toEqual(
          requests.map(({ allowed }) => (allowed ? "forwarded" : "denied")),
        );
        await proxy.close();
      },
    ),
    { numRuns: 40 },
  );
}, 30_000);
