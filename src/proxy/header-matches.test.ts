import { type IncomingHttpHeaders, type ServerHttp2Stream, sensitiveHeaders } from "node:http2";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { asking, headers, PREFACE, settings } from "../../test/support/http2-frames.ts";
import { runHttp2 } from "../../test/support/http2-run.ts";
import { ask as askHttp2, Http2Proxy } from "../../test/support/loopback-http2.ts";
import {
  allow,
  converse,
  type LoopbackProxy,
  policyOf,
  startLoopbackProxy,
} from "../../test/support/loopback-proxy.ts";
import type { HeaderMatch } from "../policy/l7-rule.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const answerOk = (received: string, socket: Socket) => {
  if (received.includes("\r\n\r\n")) socket.write(OK);
};
const SECRETS = new Map([["n/token", "s3cr3t"]]);

let proxy: LoopbackProxy;
afterEach(() => proxy.close());

/** Asks once with these fields; says the status and the fields that the server saw. */
async function ask(matches: readonly HeaderMatch[], fields: string): Promise<{ status: string; seen: string }> {
  const policy = { ...policyOf(allow([{ headerMatches: matches }])), secrets: SECRETS };
  proxy = await startLoopbackProxy(policy, answerOk);
  const sent = `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
  const received = await converse(proxy.dial(), [sent], (text) => /\r\n\r\n/.test(text));
  const seen = proxy.server.received.replace("GET / HTTP/1.1\r\nHost: h\r\n", "").replace(/\r\n$/, "");
  return { status: received.slice(9, 12), seen };
}

const X: HeaderMatch = { name: "X-A", value: "1" };

describe("a header that does not match", () => {
  test.each<[string, HeaderMatch, string, string, string]>([
    ["refuses without an action", X, "X-A: 2\r\n", "403", ""],
    ["is let through by LOG", { ...X, mismatch: "LOG" }, "X-A: 2\r\n", "200", "X-A: 2\r\n"],
    ["gets another beside it by ADD", { ...X, mismatch: "ADD" }, "X-A: 2\r\n", "200", "X-A: 2\r\nx-a: 1\r\n"],
    ["is put there by ADD", { ...X, mismatch: "ADD" }, "", "200", "x-a: 1\r\n"],
    ["is taken away by DELETE", { ...X, mismatch: "DELETE" }, "X-A: 2\r\nB: 1\r\nx-A: 3\r\n", "200", "B: 1\r\n"],
    ["gives way by REPLACE", { ...X, mismatch: "REPLACE" }, "X-A: 2\r\nB: 1\r\n", "200", "B: 1\r\nx-a: 1\r\n"],
    ["is compared as bytes", { name: "x", value: "é" }, "X: \xc3\xa9\r\n", "200", "X: \xc3\xa9\r\n"],
    ["is written as bytes", { name: "x", value: "é", mismatch: "ADD" }, "", "200", "x: \xc3\xa9\r\n"],
  ])("%s", async (_, match, fields, status, seen) => {
    expect(await ask([match], fields)).toEqual({ status, seen });
  });

  test("is on record", async () => {
    await ask(
      [
        { ...X, mismatch: "REPLACE" },
        { name: "b", value: "2", mismatch: "LOG" },
      ],
      "X-A: 9\r\n",
    );
    expect(proxy.records[0]).toMatchObject({
      verdict: "forwarded",
      headers: [
        { name: "Host", value: "h" },
        { name: "x-a", value: "1" },
      ],
      rejectedHeaders: [{ name: "x-a", value: "9" }],
      missingHeaders: [
        { name: "x-a", value: "1" },
        { name: "b", value: "2" },
      ],
    });
  });
});

describe("a header that matches", () => {
  test.each<HeaderMatch["mismatch"]>([undefined, "LOG", "ADD", "DELETE", "REPLACE"])(
    "passes as it is: %s",
    async (mismatch) => {
      const match = mismatch === undefined ? X : { ...X, mismatch };
      expect(await ask([match], "x-a:   1\r\n")).toEqual({ status: "200", seen: "x-a:   1\r\n" });
      expect(proxy.records[0]).not.toHaveProperty("missingHeaders");
    },
  );
});

describe("a header that rules look at", () => {
  const chunked = (trailer: string) => `X-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${trailer}: 2\r\n`;

  test.each([
    ["by a match", { headerMatches: [X] }],
    ["by an action", { headerMatches: [{ ...X, mismatch: "DELETE" as const }] }],
    ["by its value", { headers: ["X-A: 1"] }],
    ["by its presence", { headers: ["X-A"] }],
  ])("%s cannot come behind a body: servers that merge trailers would believe it", async (_, rule) => {
    proxy = await startLoopbackProxy(policyOf(allow([rule])), answerOk);
    const received = await converse(proxy.dial(), [`GET / HTTP/1.1\r\nHost: h\r\n${chunked("x-a")}\r\n`]);
    expect(received).toMatch(/HTTP\/1\.1 (?:200|400) /);
    expect(proxy.server.received).not.toMatch(/x-a: ?2/);
    expect(proxy.records).toContainEqual(expect.objectContaining({ verdict: "error" }));
  });

  test("leaves other trailers alone", async () => {
    expect(await ask([X], chunked("X-AB"))).toEqual({ status: "200", seen: chunked("X-AB") });
  });

  test.each([
    ["x-a", "reset 1", 0],
    ["x-ab", "200 end", 1],
  ])("in HTTP/2: %s", async (name, said, seen) => {
    const begin = headers(1, [...asking("POST", "/"), "x-a", "1"], 0);
    const sent = Buffer.concat([PREFACE, settings(), begin, headers(1, [name, "2"])]);
    const run = await runHttp2([{ headers: ["X-A: 1"] }], [sent], () => undefined);
    expect(run.streams[1]).toBe(said);
    expect(run.seen).toHaveLength(seen);
  });
});

describe("a secret", () => {
  const TOKEN: HeaderMatch = { name: "Token", secret: "n/token" };
  const shown = () => JSON.stringify([proxy.records, proxy.table.list()]);

  test.each([
    ["that matches", TOKEN, "Token: s3cr3t\r\n", "200", "Token: s3cr3t\r\n"],
    ["that does not match", TOKEN, "Token: s3cr3T\r\n", "403", ""],
    ["that is missing fails closed", { ...TOKEN, secret: "n/gone" }, "Token: \r\n", "403", ""],
    [
      "that is missing fails closed with an action",
      { ...TOKEN, secret: "n/gone", mismatch: "ADD" as const },
      "",
      "403",
      "",
    ],
    [
      "that is missing, with a value in its place",
      { ...TOKEN, secret: "n/gone", value: "v" },
      "Token: v\r\n",
      "200",
      "Token: v\r\n",
    ],
    ["that is put there", { ...TOKEN, mismatch: "ADD" as const }, "", "200", "token: s3cr3t\r\n"],
    ["that replaces", { ...TOKEN, mismatch: "REPLACE" as const }, "Token: s3cr3t2\r\n", "200", "token: s3cr3t\r\n"],
  ])("%s, and no record shows it", async (_, match, fields, status, seen) => {
    expect(await ask([match], fields)).toEqual({ status, seen });
    expect(shown()).not.toContain("s3cr3");
    const request = proxy.records[0]!;
    for (const { name, value } of request.headers) if (name !== "Host") expect(value).toBe("[redacted]");
  });

  test("that is put there never comes into HTTP/2's table, from which others could guess it", async () => {
    let seen: IncomingHttpHeaders = {};
    const serve = (stream: ServerHttp2Stream, given: IncomingHttpHeaders) => {
      seen = given;
      stream.respond({}, { endStream: true });
    };
    const rules = [
      allow([
        {
          headerMatches: [
            { ...TOKEN, mismatch: "ADD" as const },
            { ...X, mismatch: "ADD" as const },
          ],
        },
      ]),
    ];
    const http2 = await new Http2Proxy({ rules, secrets: SECRETS, serve }).start();
    await askHttp2(http2.connect(), { ":path": "/" });
    await http2.close();
    expect(seen).toMatchObject({ token: "s3cr3t", "x-a": "1" });
    expect(seen[sensitiveHeaders as unknown as string]).toEqual(["token"]);
  });

  test("whose header stands in a request with a broken body is not shown either", async () => {
    await ask([{ ...TOKEN, mismatch: "LOG" }], "Token: s3cr3t\r\nTransfer-Encoding: chunked\r\n\r\nzz");
    expect(proxy.records.length).toBeGreaterThan(1);
    expect(shown()).not.toContain("s3cr3");
  });
});

test.each<HeaderMatch>([
  { name: "content-length", mismatch: "DELETE" },
  { name: "Transfer-Encoding", value: "chunked", mismatch: "ADD" },
  { name: "host", value: "a", mismatch: "REPLACE" },
  { name: "x", value: "1\r\nhost: b", mismatch: "ADD" },
  { name: "x: 1\r\ny", value: "1", mismatch: "ADD" },
  { name: ":authority", secret: "n/token" },
])("the proxy takes no rule that could make another request of one: %j", async (match) => {
  proxy = await startLoopbackProxy(policyOf(allow([])), answerOk);
  await expect(proxy.apply(policyOf(allow([{ headerMatches: [match] }])))).rejects.toThrow("header match");
});
