import { describe, expect, test } from "vitest";
import { isFault } from "./http-head.ts";
import { trailerFault } from "./http2-fields.ts";
import { readHttp2Request, requestSection } from "./http2-request.ts";
import { readHttp2Response } from "./http2-response.ts";

const GOOD = { ":method": "GET", ":scheme": "http", ":authority": "deathstar", ":path": "/v1/" };

function read(changes: Readonly<Record<string, string | undefined>>, ...more: string[]) {
  const section = Object.entries({ ...GOOD, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value],
  );
  return readHttp2Request([...section, ...more], true);
}

function faultOf(result: ReturnType<typeof read>): string {
  return isFault(result) ? `${result.status} ${result.fault}` : "none";
}

describe("readHttp2Request", () => {
  test("gives method, scheme, host, path and fields; the server gets them in that order", () => {
    const request = read({}, "accept", "*/*", "x-a", "1", "x-a", "2");
    expect(request).toEqual({
      method: "GET",
      scheme: "http",
      host: "deathstar",
      path: "/v1/",
      redirect: false,
      isGrpc: false,
      length: -1,
      fields: [
        { name: "accept", value: "*/*" },
        { name: "x-a", value: "1" },
        { name: "x-a", value: "2" },
      ],
    });
    if (isFault(request)) throw new Error(request.fault);
    expect(requestSection(request, request.fields)).toEqual([
      ...Object.entries(GOOD).flat(),
      ...["accept", "*/*", "x-a", "1", "x-a", "2"],
    ]);
  });

  test.each([
    ["/v1/x/../%72equest//landing?a=%2f", "/v1/request/landing?a=%2f", false],
    ["/v1%2fx", "/v1/x", true],
    ["/a\\b", "/a/b", false],
  ])("brings the path %s into the form %s, as in HTTP/1", (path, normal, redirect) => {
    expect(read({ ":path": path })).toMatchObject({ path: normal, redirect });
  });

  test("takes the host of a host field when there is no :authority, and passes on only one of them", () => {
    expect(read({ ":authority": undefined }, "host", "deathstar:80")).toMatchObject({
      host: "deathstar:80",
      fields: [],
    });
    expect(read({}, "host", "DeathStar")).toMatchObject({ host: "deathstar", fields: [] });
  });

  test("joins the pieces of a cookie, so that policy and every server see the same one", () => {
    expect(read({}, "cookie", "a=1", "x", "y", "cookie", "b=2")).toMatchObject({
      fields: [
        { name: "x", value: "y" },
        { name: "cookie", value: "a=1; b=2" },
      ],
    });
  });

  test.each([
    ["application/grpc", true],
    ["application/grpc+proto", true],
    ["application/grpc-web", false],
    ["application/grpc;x=y", false],
    ["text/plain", false],
  ])("content-type %s is gRPC's: %s", (type, isGrpc) => {
    expect(read({ ":method": "POST" }, "content-type", type)).toMatchObject({ isGrpc });
  });

  test.each<[string, string, Record<string, string | undefined>, string[]?]>([
    ["no method", "400 no :method", { ":method": undefined }],
    ["a method that is no token", "400 no :method", { ":method": "GET /" }],
    ["CONNECT", "501 CONNECT", { ":method": "CONNECT" }],
    ["extended CONNECT", "501 extended CONNECT", { ":protocol": "websocket" }],
    ["no scheme", "400 no :scheme", { ":scheme": undefined }],
    ["another scheme", "400 no :scheme", { ":scheme": "ftp" }],
    ["no authority and no host", "400 no :authority", { ":authority": undefined }],
    ["an empty authority", "400 :authority that is none", { ":authority": "" }],
    ["an authority with a user", "400 :authority that is none", { ":authority": "a@deathstar" }],
    ["another host", "400 :authority and host", {}, ["host", "alderaan"]],
    ["two hosts", "400 more than one host", {}, ["host", "deathstar", "host", "deathstar"]],
    ["no path", "400 no :path", { ":path": undefined }],
    ["an empty path", "400 no :path", { ":path": "" }],
    ["a path with a space", "400 no :path", { ":path": "/a b" }],
    ["a fragment", "400 no :path", { ":path": "/a#b" }],
    ["an absolute path", "400 :path that is not", { ":path": "http://deathstar/" }],
    ["a star but for OPTIONS", "400 :path that is not", { ":path": "*" }],
    ["an escaped NUL", "400 NUL", { ":path": "/%00" }],
    ["a lone percent sign", "400 percent", { ":path": "/%%32f" }],
    ["a response's pseudo-header field", "400 pseudo-header field that is none here", { ":status": "200" }],
    ["a pseudo-header field twice", "400 pseudo-header field more", {}, [":path", "/other"]],
    [
      "a pseudo-header field after others",
      "400 pseudo-header field after",
      { ":path": undefined },
      ["a", "b", ":path", "/"],
    ],
    ["a capital letter", "400 capital", {}, ["X-A", "b"]],
    ["a space in a name", "400 character", {}, ["x a", "b"]],
    ["a colon in a name", "400 character", {}, ["x:a", "b"]],
    ["an empty name", "400 character", {}, ["", "b"]],
    ["a line end in a value", "400 control", {}, ["x", "a\r\nb: c"]],
    ["NUL in a value", "400 control", {}, ["x", "a\0"]],
    ["a space before a value", "400 space", {}, ["x", " a"]],
    ["a tab after a value", "400 space", {}, ["x", "a\t"]],
    ["connection", "400 field of one", {}, ["connection", "close"]],
    ["keep-alive", "400 field of one", {}, ["keep-alive", "1"]],
    ["proxy-connection", "400 field of one", {}, ["proxy-connection", "close"]],
    ["transfer-encoding", "400 field of one", {}, ["transfer-encoding", "chunked"]],
    ["upgrade", "400 field of one", {}, ["upgrade", "websocket"]],
    ["te with a coding", "400 te", {}, ["te", "trailers, gzip"]],
    ["two lengths", "400 content-length more", {}, ["content-length", "1", "content-length", "1"]],
    ["a length with a sign", "400 content-length that", {}, ["content-length", "+1"]],
    ["a length without a body", "400 content-length without", {}, ["content-length", "1"]],
    ["another expectation", "400 expectation", {}, ["expect", "200-ok"]],
  ])("refuses %s", (_, fault, changes, more = []) => {
    expect(faultOf(read(changes, ...more))).toMatch(new RegExp(`^${fault}`));
  });

  test("takes te: trailers, 100-continue and OPTIONS of the whole server", () => {
    expect(faultOf(read({}, "te", "trailers", "expect", "100-continue"))).toBe("none");
    expect(read({ ":method": "OPTIONS", ":path": "*" })).toMatchObject({ path: "*" });
  });
});

describe("trailerFault", () => {
  const isJudged = (name: string) => name === "x-role";
  test.each([
    "host",
    "content-length",
    "authorization",
    "te",
    "transfer-encoding",
    ":path",
    "X-A",
    "trailer",
    "x-role",
  ])("refuses %s in a request", (name) => expect(trailerFault(["x-checksum", "1", name, "2"], isJudged)).toBeDefined());
  test("takes what only describes", () => expect(trailerFault(["x-checksum", "1"], isJudged)).toBeUndefined());
  test("takes in an answer what directs nothing there", () => {
    expect(trailerFault(["te", "1"])).toBeUndefined();
    expect(trailerFault(["upgrade", "1"])).toBeDefined();
  });
});

describe("readHttp2Response", () => {
  const read = (...section: string[]) => readHttp2Response(section, "GET");
  test("gives status, fields and length", () => {
    expect(read(":status", "200", "content-length", "7")).toMatchObject({ status: 200, length: 7 });
    expect(read(":status", "304", "content-length", "7")).toMatchObject({ status: 304, length: 0 });
    expect(readHttp2Response([":status", "200", "content-length", "7"], "HEAD")).toMatchObject({ length: 0 });
    expect(read(":status", "103")).toMatchObject({ status: 103, length: -1 });
  });
  test.each([
    ["no status", ["a", "b"]],
    ["a status that is none", [":status", "20"]],
    ["a switch of protocols", [":status", "101"]],
    ["a status beyond all classes", [":status", "999"]],
    ["two statuses", [":status", "200", ":status", "200"]],
    ["a request's field", [":status", "200", ":path", "/"]],
    ["a connection's field", [":status", "200", "connection", "close"]],
    ["two lengths", [":status", "200", "content-length", "1", "content-length", "1"]],
  ])("refuses %s", (_, section) => expect(isFault(read(...section))).toBe(true));
});
