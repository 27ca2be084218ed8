import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BodyReader } from "./http-body.ts";
import type { Framing } from "./http-framing.ts";
import { HeadReader, isFault, MAX_HEAD_BYTES } from "./http-head.ts";
import { normalizePath } from "./http-path.ts";
import { readRequest } from "./http-request.ts";
import { readResponse } from "./http-response.ts";
import { latin1Bytes } from "./latin1.ts";

/** What a reader makes of a byte stream: each request with its body's bytes, ended by a fault or the want of more. */
function readAll(pieces: readonly Uint8Array[]): string[] {
  const seen: string[] = [];
  const reader = new HeadReader();
  let body: BodyReader | undefined;
  let bodyBytes = 0;
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length || body?.done === true) {
      if (body !== undefined) {
        const taken = body.take(piece, at, piece.length);
        bodyBytes += taken;
        at += taken;
        if (body.fault !== undefined) return [...seen, `fault ${body.fault}`];
        if (!body.done) break;
        seen.push(`body ${bodyBytes}`);
        body = undefined;
        continue;
      }
      const progress = reader.push(piece, at, piece.length);
      if (progress.state === "fault") return [...seen, `fault ${progress.fault.fault}`];
      if (progress.state === "more") break;
      at += progress.consumed;
      const request = readRequest(progress.head);
      if (isFault(request)) return [...seen, `fault ${request.fault}`];
      seen.push(`${request.method} ${request.path} ${request.host} ${request.framing.kind}`);
      body = new BodyReader(request.framing);
      bodyBytes = 0;
    }
  }
  return seen;
}

function read(text: string): string[] {
  return readAll([latin1Bytes(text)]);
}

const GET = "GET /a HTTP/1.1\r\nHost: h\r\n";

describe("requests that have one meaning", () => {
  test.each([
    [`${GET}\r\n`, ["GET /a h none", "body 0"]],
    ["POST /p?q=1 HTTP/1.1\r\nhost:h:80\r\nContent-Length: 3\r\n\r\nabc", ["POST /p?q=1 h:80 length", "body 3"]],
    [
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
      ["POST / h chunked", "body 25"],
    ],
    [`${GET}\r\n${GET}\r\n`, ["GET /a h none", "body 0", "GET /a h none", "body 0"]],
    ["GET http://H/x HTTP/1.1\r\nHost: h\r\n\r\n", ["GET /x h none", "body 0"]],
    ["OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ["OPTIONS * h none", "body 0"]],
    ["GET / HTTP/1.0\r\n\r\n", ["GET /  none", "body 0"]],
    ["GET /a HTTP/1.1\r\nHost: [::1]:80\r\nX: a\tb \xff\r\n\r\n", ["GET /a [::1]:80 none", "body 0"]],
  ])("%j", (text, wanted) => expect(read(text)).toEqual(wanted));
});

const SMUGGLING: readonly (readonly [string, string])[] = [
  [`${GET}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, "both Content-Length and Transfer-Encoding"],
  [`${GET}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`, "two different lengths"],
  [`${GET}Content-Length: 3\r\nContent-Length: 3\r\n\r\n`, "Content-Length more than once"],
  [`${GET}Content-Length: 3, 3\r\n\r\n`, "Content-Length that is not a number"],
  [`${GET}Content-Length: +3\r\n\r\n`, "Content-Length that is not a number"],
  [`${GET}Content-Length: 0x3\r\n\r\n`, "Content-Length that is not a number"],
  [`${GET}Content-Length: \r\n\r\n`, "Content-Length that is not a number"],
  [`${GET}Content-Length: 3\x0b\r\n\r\n`, "control character in a field value"],
  [`${GET}Content-Length : 3\r\n\r\n`, "space before the colon"],
  [`${GET}Transfer-Encoding : chunked\r\n\r\n`, "space before the colon"],
  [`${GET}Transfer-Encoding: xchunked\r\n\r\n`, "transfer coding other than chunked"],
  [`${GET}Transfer-Encoding: gzip, chunked\r\n\r\n`, "transfer coding other than chunked"],
  [`${GET}Transfer-Encoding: chunked, identity\r\n\r\n`, "transfer coding other than chunked"],
  [`${GET}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n`, "more than one Transfer-Encoding"],
  [`${GET}Transfer-Encoding:\x0bchunked\r\n\r\n`, "control character in a field value"],
  ["GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"],
  [`${GET}X: a\r\n b\r\n\r\n`, "folded field"],
  [`${GET}X: a\n\r\n`, "bare LF"],
  ["GET / HTTP/1.1\nHost: h\n\n", "bare LF"],
  [`${GET}X: a\rY: b\r\n\r\n`, "control character in a field value"],
  [`${GET}X: a\0b\r\n\r\n`, "NUL in a field value"],
  [`${GET}X\r\n\r\n`, "field without a colon"],
  [`${GET}: x\r\n\r\n`, "character that is not allowed in a field name"],
  [`${GET}X(y): x\r\n\r\n`, "character that is not allowed in a field name"],
  ["GET / HTTP/1.1\r\n\r\n", "no Host"],
  [`${GET}Host: h\r\n\r\n`, "more than one Host"],
  ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Host that is not an authority"],
  ["GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "Host that is not an authority"],
  ["GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n", "target and Host that differ"],
  ["GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "target with an authority that is none"],
  ["GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "target that is neither a path nor an http URL"],
  ["GET a HTTP/1.1\r\nHost: h\r\n\r\n", "target that is neither a path nor an http URL"],
  ["CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", "CONNECT"],
  ["GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "request line that is not three words"],
  ["GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "request line that is not three words"],
  ["GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n", "character that is not allowed in a target"],
  ["GET /\xe9 HTTP/1.1\r\nHost: h\r\n\r\n", "character that is not allowed in a target"],
  ["GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", "character that is not allowed in a target"],
  ["GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n", "NUL in a target"],
  ["G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "character that is not allowed in a method"],
  [" GET / HTTP/1.1\r\nHost: h\r\n\r\n", "request line that is not three words"],
  ["\x16\x03\x01", "not HTTP"],
  ["\xff", "not HTTP"],
  ["\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "empty line before the start line"],
  ["GET /\r\n\r\n", "request line that is not three words"],
  ["GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP version"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP version"],
  ["GET / HTTP/1.1x\r\nHost: h\r\n\r\n", "HTTP version that is none"],
  [`${GET}Expect: something\r\n\r\n`, "expectation other than 100-continue"],
  [
    `GET / HTTP/1.1\r\nHost: h\r\nX: ${"a".repeat(MAX_HEAD_BYTES)}\r\n\r\n`,
    `head of more than ${MAX_HEAD_BYTES} bytes`,
  ],
  [`GET / HTTP/1.1\r\nHost: h\r\n${"X: a\r\n".repeat(201)}\r\n`, "more than 200 fields"],
];

describe("requests that two servers could read differently", () => {
  test.each(SMUGGLING)("%j", (text, reason) => expect(read(text)).toEqual([`fault ${reason}`]));
});

const CHUNKED = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("chunks without a clear end", () => {
  test.each([
    ["x\r\n", "chunk size that is not a number"],
    ["\r\n", "chunk size that is not a number"],
    ["0x3\r\nabc\r\n", "chunk size that is not a number"],
    [" 3\r\nabc\r\n", "chunk size that is not a number"],
    ["3 \r\nabc\r\n", "chunk size that is not a number"],
    ["-3\r\n", "chunk size that is not a number"],
    ["1000000000000\r\n", "chunk size that is too large"],
    ["3\nabc\r\n", "chunk size that is not a number"],
    ["3\r\nabcd\r\n", "chunk that does not end in CRLF"],
    ["3\r\nabc\n0\r\n\r\n", "chunk that does not end in CRLF"],
    ["3;a\nb\r\nabc\r\n", "control character in a chunk extension"],
    [`3;${"a".repeat(300)}\r\n`, "chunk extension that is too long"],
    ["0\r\nX: 1\n\r\n", "control character in a trailer"],
    ["0\r\nX: 1\rY\r\n\r\n", "bare CR in a trailer"],
    ["0\r\nGET / HTTP/1.1\r\n\r\n", "trailer that is not a field"],
    ["0\r\nContent-Length: 5\r\n\r\n", "trailer that would frame or direct a message"],
    // at the byte that decides it, for what came before has been sent on
    ["0\r\nPUT ", "trailer that is not a field"],
    ["0\r\n: x", "trailer that is not a field"],
    ["0\r\nX-A: b\r\nProxy-Host:", "trailer that would frame or direct a message"],
  ])("%j", (text, reason) => expect(read(CHUNKED + text)).toEqual(["POST /p h chunked", `fault ${reason}`]));
});

describe("normal form of a path", () => {
  test.each([
    ["/a/b", "/a/b", false],
    ["/a/.b/..c", "/a/.b/..c", false],
    ["//a///b//", "/a/b/", false],
    ["/a/../b", "/b", false],
    ["/a/./b/.", "/a/b/", false],
    ["/a/%2e%2E/b", "/b", false],
    ["/../../etc", "/etc", false],
    ["/..", "/", false],
    ["/a\\b", "/a/b", false],
    ["/%61%7e%20", "/a~%20", false],
    ["/a%2Fb", "/a/b", true],
    ["/a%5c..%2f..%2fb", "/b", true],
    ["/%252e%252e/a", "/%252e%252e/a", false],
    ["/a?x=/../%2F//", "/a?x=/../%2F//", false],
    ["//a?b//c", "/a?b//c", false],
    ["/<a>", "/%3Ca%3E", false],
    ["*", "*", false],
  ])("%s", (target, path, redirect) => expect(normalizePath(target)).toEqual({ path, redirect }));

  test("is a fixed point, and never leaves a dot segment or a doubled slash", () => {
    const piece = fc.constantFrom("/", ".", "..", "a", "%2e", "%2F", "\\", "%5C", "%61", "%25", "b");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const once = normalizePath(`/${pieces.join("")}`);
        if (isFault(once)) throw new Error(once.fault);
        expect(once.path).not.toMatch(/\/\/|\/\.\.?(?:\/|$)|\\/);
        expect(normalizePath(once.path)).toEqual({ path: once.path, redirect: false });
      }),
    );
  });
});

describe("bytes cut anywhere", () => {
  const whole = `${CHUNKED}a;x\r\n0123456789\r\n0\r\nT: v\r\n\r\n${GET}Content-Length: 4\r\n\r\nabcd${GET}\r\n`;
  const streams = [whole, ...SMUGGLING.map(([text]) => `${GET}\r\n${text}`).filter((text) => text.length < 400)];

  test("two pieces read as one, at every boundary", () => {
    for (const stream of streams) {
      const bytes = latin1Bytes(stream);
      const wanted = readAll([bytes]);
      for (let cut = 0; cut <= bytes.length; cut++) {
        expect(readAll([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(wanted);
      }
    }
  });

  test("byte by byte reads as one", () => {
    for (const stream of streams) {
      const bytes = latin1Bytes(stream);
      expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(readAll([bytes]));
    }
  });

  test("random bytes never throw", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc
        .constantFrom("GET / HTTP/1.1\r\n", "Host: h\r\n", "\r\n", "Content-Length: 2\r\n", "ab", ": ", "\n")
        .map(latin1Bytes),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => readAll(pieces) !== undefined),
      { numRuns: 500 },
    );
  });
});

describe("responses", () => {
  function framing(text: string, method = "GET"): Framing | string {
    const progress = new HeadReader().push(latin1Bytes(text), 0, text.length);
    if (progress.state !== "head") return progress.state;
    const response = readResponse(progress.head, method);
    return isFault(response) ? response.fault : response.framing;
  }

  test.each([
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", { kind: "length", length: 5 }],
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", { kind: "none" }],
    ["HTTP/1.1 204 No Content\r\n\r\n", "GET", { kind: "none" }],
    ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", { kind: "none" }],
    ["HTTP/1.1 100 Continue\r\n\r\n", "POST", { kind: "none" }],
    ["HTTP/1.1 200\r\n\r\n", "GET", { kind: "until-close" }],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", { kind: "chunked" }],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
      "GET",
      "both Content-Length and Transfer-Encoding",
    ],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", { kind: "none" }],
    ["HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", "GET", "body of an answer that has none"],
    ["HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "body of an answer that has none"],
    ["HTTP/1.1 20 OK\r\n\r\n", "GET", "status line that is none"],
    ["HTTP/2 200 OK\r\n\r\n", "GET", "status line that is none"],
  ])("%j to %s", (text, method, wanted) => expect(framing(text, method)).toEqual(wanted));
});
