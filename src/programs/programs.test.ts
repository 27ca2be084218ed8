import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { createServer, type Server } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { Echo } from "../../proto/gen/echo_pb.js";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";
import { ServerReflection } from "../../proto/gen/reflection_pb.js";
import { durationMs } from "./agnhost/agnhost.ts";
import { splitEndpoint, tryConnection } from "./agnhost/connect.ts";
import { serveGrpcHealth } from "./agnhost/grpc-health.ts";
import { serveNetexec } from "./agnhost/netexec.ts";
import { createEchoServer, httpEchoFlags, type Speaker } from "./echo.ts";
import { listen } from "./listener.ts";
import { SITES, serveSite } from "./web-server.ts";

beforeAll(() => void vi.spyOn(process.stdout, "write").mockReturnValue(true)); // they log each request
afterAll(() => void vi.restoreAllMocks());

/** A call without an answer is an error, not a test that never ends. */
const transportTo = (port: number) =>
  createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}`, defaultTimeoutMs: 5000 });

describe("agnhost", () => {
  let netexec: Awaited<ReturnType<typeof serveNetexec>>;
  beforeAll(async () => {
    netexec = await serveNetexec({ http: 0, udp: 0 });
  });
  afterAll(() => netexec.close());
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${netexec.http}${path}`)).text();
  const connect = (endpoint: string, protocol: "tcp" | "udp" | "sctp" = "tcp") =>
    tryConnection(endpoint, { protocol, timeoutMs: 300, udpData: "hostname" });

  it("connects, or says in a word why not", async () => {
    const closed = createServer();
    const port = await listen(closed, 0);
    await new Promise((resolve) => closed.close(resolve));
    expect(await connect(`127.0.0.1:${netexec.http}`)).toBeUndefined();
    expect(await connect(`[::1]:${netexec.http}`)).toBeUndefined();
    expect(await connect(`127.0.0.1:${port}`)).toBe("REFUSED");
    expect(await connect(`127.0.0.1:${netexec.udp}`, "udp")).toBeUndefined();
    expect(await connect(`127.0.0.1:${port}`, "udp")).toBe("REFUSED");
    expect(await connect("no-such-host.invalid:80")).toMatch(/^DNS: /);
    expect(await connect("127.0.0.1:1", "sctp")).toMatch(/^OTHER: SCTP/);
    expect(await connect("nonsense")).toMatch(/^DNS: nonsense/);
  });

  it("waits for an answer by UDP as long as it was told", async () => {
    const silent = createSocket("udp4");
    await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
    expect(await connect(`127.0.0.1:${silent.address().port}`, "udp")).toBe("TIMEOUT");
    silent.close();
  });

  it("answers what tests ask netexec", async () => {
    expect(await ask("/hostname")).toBe(hostname());
    expect(await ask("/clientip")).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await ask("/echo?msg=hi")).toBe("hi");
    expect(JSON.parse(await ask("/shell?cmd=exit%203"))).toEqual({ output: "", error: "exit status 3" });
    const dial = (protocol: string, port: number) => `/dial?host=127.0.0.1&protocol=${protocol}&port=${port}&tries=2`;
    const twice = { responses: [hostname(), hostname()] };
    expect(JSON.parse(await ask(dial("http", netexec.http)))).toEqual(twice);
    expect(JSON.parse(await ask(dial("udp", netexec.udp)))).toEqual(twice);
    expect(await ask(dial("sctp", 1))).toContain("protocol sctp is not there");
    expect((await fetch(`http://127.0.0.1:${netexec.http}/upload`)).status).toBe(501);
  });

  it.each([
    ["a:80", { host: "a", port: 80 }],
    ["[::1]:80", { host: "::1", port: 80 }],
    ["a:70000", undefined],
    ["a", undefined],
  ])("reads %j", (text, want) => expect(splitEndpoint(text)).toEqual(want));

  it("reads durations as Go writes them", () => {
    expect([durationMs("1s"), durationMs("500ms"), durationMs("1.5m")]).toEqual([1000, 500, 90_000]);
    expect(() => durationMs("5")).toThrow("a duration");
  });
});

describe("agnhost grpc-health-checking", () => {
  async function start(options: { service?: string; delayUnhealthySec?: number } = {}) {
    const server = await serveGrpcHealth({ port: 0, httpPort: 0, service: "", delayUnhealthySec: -1, ...options });
    onTestFinished(() => server.close());
    const client = createClient(Health, transportTo(server.grpc));
    const turn = async (path: string) => (await fetch(`http://127.0.0.1:${server.http}${path}`)).status;
    return { client, turn };
  }

  it("serves or not as its switch says, and tells those who watch", async () => {
    const { client, turn } = await start();
    const watched: Status[] = [];
    for await (const { status } of client.watch({})) {
      watched.push(status);
      if (watched.length === 1) expect(await turn("/make-not-serving")).toBe(200);
      if (watched.length === 2) expect(await client.check({})).toMatchObject({ status: Status.NOT_SERVING });
      if (watched.length === 2) expect(await turn("/make-serving")).toBe(200);
      if (watched.length === 3) break;
    }
    expect(watched).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
    expect(await turn("/else")).toBe(404);
  });

  it("knows one service, and is ill from the time it was told", async () => {
    const { client, turn } = await start({ service: "s", delayUnhealthySec: 0 });
    for await (const { status } of client.watch({ service: "s" })) if (status === Status.NOT_SERVING) break;
    await turn("/make-serving");
    expect(await client.check({ service: "s" })).toMatchObject({ status: Status.NOT_SERVING });
    await expect(client.check({})).rejects.toThrow("unknown service");
    for await (const { status } of client.watch({ service: "t" })) {
      expect(status).toBe(Status.SERVICE_UNKNOWN);
      break;
    }
  });
});

describe("the web server", () => {
  const directory = mkdtempSync(join(tmpdir(), "sg-web-"));
  let site: Awaited<ReturnType<typeof serveSite>>;
  beforeAll(async () => {
    mkdirSync(join(directory, "html/sub"), { recursive: true });
    writeFileSync(join(directory, "html/a.json"), "{}");
    writeFileSync(join(directory, "html/sub/index.html"), "sub");
    writeFileSync(join(directory, "secret"), "secret");
    symlinkSync("../secret", join(directory, "html/link"));
    site = await serveSite({ ...SITES["nginx"]!, port: 0, directory: join(directory, "html"), configuration: [] });
  });
  afterAll(() => {
    site.close();
    rmSync(directory, { recursive: true });
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${site.port}${path}`, init);
    return [answer.status, answer.headers.get("content-type"), await answer.text()];
  };

  it("serves files, indexes and a welcome, and nothing outside", async () => {
    expect(await ask("/a.json")).toEqual([200, "application/json", "{}"]);
    expect(await ask("/sub/")).toEqual([200, "text/html", "sub"]);
    expect((await ask("/"))[2]).toContain("Welcome to nginx!");
    for (const path of ["/link", "/..%2fsecret", "/%2e%2e/secret", "/none", "/%zz", "/a%00"])
      expect((await ask(path))[0]).toBe(404);
    expect((await ask("/a.json", { method: "PUT" }))[0]).toBe(405);
    expect(await ask("/a.json", { method: "HEAD" })).toEqual([200, "application/json", ""]);
  });
});

describe("the echo server", () => {
  let server: Server;
  let port = 0;
  const speak: Speaker = ({ protocol, method, path, body, peer }) => ({
    body: `${protocol} ${method} ${path} ${body} for ${peer.replace(/\d+$/, "")}`,
  });
  beforeAll(async () => {
    server = createEchoServer(speak);
    port = await listen(server, 0);
  });
  afterAll(() => server.close());

  async function http2(headers: Record<string, string>, body: Buffer) {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST", ":path": "/p", ...headers });
    let trailers: Record<string, unknown> = {};
    stream.on("trailers", (got) => {
      trailers = got;
    });
    stream.end(body);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    session.close();
    return { text: Buffer.concat(chunks), trailers };
  }

  it("speaks HTTP/1.1, HTTP/2 and gRPC on one port", async () => {
    const one = await fetch(`http://127.0.0.1:${port}/p?q`, { method: "POST", body: "b" });
    expect(await one.text()).toBe("HTTP/1.1 POST /p?q b for 127.0.0.1:");
    expect((await http2({}, Buffer.from("b"))).text.toString()).toBe("HTTP/2.0 POST /p b for 127.0.0.1:");
    const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
    const call = await http2({ "content-type": "application/grpc", te: "trailers" }, message);
    expect([call.text, call.trailers["grpc-status"]]).toEqual([message, "0"]);
  });

  const transport = () => transportTo(port);

  it("answers each message of a gRPC stream before the next is sent", async () => {
    const answered = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    async function* asking() {
      for (const [at, { promise }] of answered.entries()) {
        yield { text: `${at}` };
        await promise;
      }
    }
    const got: string[] = [];
    for await (const { text } of createClient(Echo, transport()).talk(asking())) {
      answered[got.length]!.resolve();
      got.push(text);
    }
    expect(got).toEqual(["0", "1", "2"]);
  });

  it("tells gRPC's clients its services and that it serves", async () => {
    expect(await createClient(Health, transport()).check({})).toMatchObject({ status: Status.SERVING });
    async function* asking() {
      yield { messageRequest: { case: "listServices" as const, value: "*" } };
      await new Promise(() => undefined);
    }
    const client = createClient(ServerReflection, transport());
    for await (const { messageResponse: answer } of client.serverReflectionInfo(asking())) {
      const names = answer.case === "listServicesResponse" ? answer.value.service.map(({ name }) => name) : [];
      expect(names.slice(0, 2)).toEqual(["shieldgate.echo.Echo", "grpc.health.v1.Health"]);
      break;
    }
  });

  it("reads http-echo's arguments, and refuses others", () => {
    expect(httpEchoFlags(["-text=a b", "-listen", ":80"])).toEqual({ text: "a b", port: 80 });
    expect(httpEchoFlags([])).toEqual({ text: "hello-world", port: 5678 });
    expect(() => httpEchoFlags(["-version"])).toThrow("no argument -version");
  });
});
