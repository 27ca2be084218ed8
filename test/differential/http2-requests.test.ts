/** HTTP/2 requests through this proxy and through a real Envoy with the same rules: what becomes of each is the same. */
import { createServer } from "node:http";
import { connect } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { oracle, skipNote } from "../oracle/cache.ts";
import { type Envoy, startEnvoy } from "../support/envoy.ts";
import { type Answer, ask, Http2Proxy } from "../support/loopback-http2.ts";
import { allow } from "../support/loopback-proxy.ts";

const envoy = oracle("envoy");
const RULES = [{ method: "GET|POST", path: "/ok(/.*)?", host: "deathstar(:80)?" }];
const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

/** Malformed requests end Envoy's connection, and are a 400 here (decision 0016). */
function outcome({ status, headers, code }: Answer): string {
  if (headers["grpc-status"] !== undefined) return `gRPC ${headers["grpc-status"]}`;
  if (status === 307) return `307 ${headers.location}`;
  return status === 0 || status === 400 || status === 501 ? "refused" : `${status} ${code === 0 ? "" : "reset"}`.trim();
}

describe.skipIf("missing" in envoy)(`HTTP/2 beside Envoy${skipNote(envoy)}`, () => {
  const server = createServer((_, response) => response.end("landed"));
  let theirs: Envoy;
  let ours: Http2Proxy;
  beforeAll(async () => {
    if ("missing" in envoy) return;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    theirs = await startEnvoy(envoy.path, RULES, (server.address() as AddressInfo).port);
    ours = await new Http2Proxy({ rules: [allow(RULES)], serve: (stream) => stream.resume().end("landed") }).start();
  });
  afterAll(async () => {
    theirs?.stop();
    server.close();
    await ours?.close();
  });

  test.each<[string, Record<string, string>, string, string?]>([
    ["an allowed request", {}, "200"],
    ["an allowed request with a body", { ":method": "POST" }, "200", "body"],
    ["HEAD", { ":method": "HEAD" }, "403"],
    ["another method", { ":method": "PUT" }, "403"],
    ["another method with a body", { ":method": "PUT" }, "403", "body"],
    ["another path", { ":path": "/no" }, "403"],
    ["another host", { ":authority": "alderaan" }, "403"],
    ["the host with a port", { ":authority": "deathstar:80" }, "200"],
    ["dot segments that lead out", { ":path": "/ok/../no" }, "403"],
    ["dot segments that lead in", { ":path": "/no/%2e%2e/ok" }, "200"],
    ["an escaped letter", { ":path": "/%6fk" }, "200"],
    ["slashes that are one", { ":path": "//ok" }, "200"],
    ["a query that looks like a path", { ":path": "/no?/ok" }, "403"],
    ["an escaped slash", { ":path": "/ok%2fx" }, "307 /ok/x"],
    ["a fragment", { ":path": "/ok#no" }, "refused"],
    ["a forbidden gRPC call", { ...GRPC, ":path": "/no" }, "gRPC 7", "call"],
    ["a gRPC call with an escaped slash", { ...GRPC, ":path": "/ok%2fx" }, "gRPC 13", "call"],
    ["gRPC-Web that is forbidden", { ...GRPC, "content-type": "application/grpc-web", ":path": "/no" }, "403", "call"],
  ])("%s", async (_, changes, wanted, body) => {
    const request = { ":method": "GET", ":path": "/ok", ":authority": "deathstar", ...changes };
    const session = connect(`http://127.0.0.1:${theirs.port}`).on("error", () => undefined);
    const answers = await Promise.all([ask(ours.connect(), request, body), ask(session, request, body)]);
    session.destroy();
    expect(answers.map(outcome)).toEqual([wanted, wanted]);
  });
});
