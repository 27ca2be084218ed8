/** What the agent counts on, of whatever judges requests: over xds.sock and admin.sock alone. Another engine is one more row of `ENGINES`. */
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addEnvoyMetrics, exposition, Registry } from "../../src/metrics/index.ts";
import type { AccessRecord } from "../../src/model/access-record.ts";
import { bootstrapConfig } from "../../src/proxy/bootstrap.ts";
import { startProxy } from "../../src/proxy/proxy.ts";
import type { NetworkPolicy } from "../../src/proxy/xds.ts";
import { createPolicyDiscovery, type PolicyDiscovery } from "../../src/proxy/xds-server.ts";
import { loopbackDatagrams } from "../support/loopback-datagrams.ts";
import { allow, ENDPOINT, FROM_EMPIRE, loopbackSockets, policyOf } from "../support/loopback-proxy.ts";

interface Engine {
  /** Where on loopback it listens in place of a port that it was told; throws where it never did. */
  port(asked: number): number;
  stop(): Promise<void>;
}

interface Surroundings {
  readonly xdsPath: string;
  readonly adminPath: string;
  /** The server that everything allowed goes to. */
  readonly upstreamPort: number;
}

async function startOurs({ xdsPath, adminPath, upstreamPort }: Surroundings): Promise<Engine> {
  const sockets = loopbackSockets(() => upstreamPort);
  const registry = new Registry();
  const recorded = addEnvoyMetrics(registry, () => proxy.status());
  const proxy = await startProxy({
    recorded,
    prometheus: () => exposition(registry, "prometheus"),
    bootstrap: bootstrapConfig({ adminPath, xdsPath }),
    version: "v0",
    origins: { lookup: () => FROM_EMPIRE, follow: () => () => FROM_EMPIRE },
    sockets,
    datagrams: loopbackDatagrams(() => 0),
    log: () => undefined,
  });
  return { port: sockets.port, stop: () => proxy.stop() };
}

const ENGINES: readonly [name: string, start: (surroundings: Surroundings) => Promise<Engine>][] = [
  ["the node's own proxy", startOurs],
];

const OK = allow([{ path: "/ok" }]);
const OTHER = allow([{ path: "/other" }]);
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

/** A server that keeps what it gets and answers nothing but GET. */
class Server {
  received = "";
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((socket) => {
    this.sockets.add(socket.on("error", () => undefined));
    socket.on("data", (chunk) => {
      this.received += chunk;
      if (String(chunk).startsWith("GET")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A client of one connection. */
class Client {
  received = "";
  private readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1").on("error", () => undefined);
    this.socket.on("data", (chunk) => {
      this.received += chunk;
    });
  }

  /** Sends, and gives the status of the answer, or `end`. */
  async ask(sent: string): Promise<string> {
    const before = this.received.length;
    this.socket.write(sent);
    await vi.waitFor(() => expect(this.received.length > before || this.socket.destroyed).toBe(true), 5000);
    return /^HTTP\/1\.1 (\d+)/.exec(this.received.slice(before))?.[1] ?? "end";
  }

  close(): void {
    this.socket.destroy();
  }
}

describe.each(ENGINES)("%s", (_, start) => {
  let directory: string;
  let surroundings: Surroundings;
  let server: Server;
  let engine: Engine;
  let agent: PolicyDiscovery;
  let records: AccessRecord[];
  const clients: Client[] = [];

  const startAgent = async () => {
    const socketPath = surroundings.xdsPath;
    agent = await createPolicyDiscovery({ socketPath, onAccessRecord: (record) => void records.push(record) });
  };
  const dial = (port: number) => {
    const client = new Client(port);
    clients.push(client);
    return client;
  };
  /** Where the policy's first redirect is served, once it is in force. */
  const publish = async (policy: NetworkPolicy) => (await agent.publish(policy)).get(policy.redirects[0]!.key)!;
  const admin = (path: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const asked = request({ socketPath: surroundings.adminPath, path }, (answer) => {
        let body = "";
        answer.on("data", (chunk) => {
          body += chunk;
        });
        answer.on("end", () => resolve({ status: answer.statusCode!, body }));
      });
      asked.on("error", reject).end();
    });

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "sgt-engine-"));
    records = [];
    server = new Server();
    const upstreamPort = await server.listen();
    surroundings = { xdsPath: join(directory, "xds.sock"), adminPath: join(directory, "admin.sock"), upstreamPort };
    engine = await start(surroundings);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await engine.stop();
    await agent?.close();
    server.close();
    rmSync(directory, { recursive: true });
  });

  test("is not ready and listens nowhere before an agent has told it what to judge by", async () => {
    expect((await admin("/ready")).status).toBe(503);
    expect((await admin("/listeners")).body).toBe("");
    await startAgent();
    const port = await publish(policyOf(OK));
    expect(await admin("/ready")).toEqual({ status: 200, body: "LIVE\n" });
    expect((await admin("/listeners")).body).toContain(`:${port}\n`);
  });

  test("judges from the moment at which it acknowledged, and tells the agent of each request", async () => {
    await startAgent();
    const client = dial(engine.port(await publish(policyOf(OK))));
    expect(await client.ask(get("/secret"))).toBe("403");
    expect(await client.ask(get("/ok"))).toBe("200");
    expect(server.received).toBe(get("/ok"));
    await vi.waitFor(() =>
      expect(records.filter(({ type }) => type === "request").map(({ verdict }) => verdict)).toEqual([
        "denied",
        "forwarded",
      ]),
    );
  });

  test("has a tighter policy in force on open connections when it acknowledges it, and ends what is under way", async () => {
    await startAgent();
    const port = await publish(policyOf(OK));
    const [idle, busy] = [dial(engine.port(port)), dial(engine.port(port))];
    expect(await idle.ask(get("/ok"))).toBe("200");
    const post = get("/ok").replace("GET", "POST");
    const answer = busy.ask(post);
    await vi.waitFor(() => expect(server.received).toBe(get("/ok") + post));
    expect(await publish(policyOf(OTHER)), "the same port").toBe(port);
    expect(await answer).toBe("403");
    expect(await idle.ask(get("/ok"))).toBe("403");
  });

  test("refuses a policy that it cannot carry out with a reason, and the one before stays in force", async () => {
    await startAgent();
    const port = await publish(policyOf(OK));
    const broken = allow([{ headerMatches: [{ name: "Host", value: "a", mismatch: "REPLACE" }] }]);
    await expect(agent.publish(policyOf(broken))).rejects.toThrow('"Host"');
    const client = dial(engine.port(port));
    expect([await client.ask(get("/ok")), await client.ask(get("/secret"))]).toEqual(["200", "403"]);
  });

  test("goes on judging while the agent is away, and tells the next one of what was asked meanwhile", async () => {
    await startAgent();
    const port = await publish(policyOf(OK));
    await agent.close();
    const client = dial(engine.port(port));
    expect([await client.ask(get("/secret")), await client.ask(get("/ok"))]).toEqual(["403", "200"]);
    expect(records).toEqual([]);
    await startAgent();
    expect(await publish(policyOf(OK)), "the port is kept").toBe(port);
    await vi.waitFor(() => expect(records.map(({ url }) => url)).toContain("http://h/secret"));
  });

  test("passes nothing while it is not there, and is told again when it comes", async () => {
    await startAgent();
    const port = await publish(policyOf(OK));
    const place = engine.port(port);
    const open = dial(place);
    expect(await open.ask(get("/ok"))).toBe("200");
    await engine.stop();
    expect(await open.ask(get("/ok"))).toBe("end");
    expect(await dial(place).ask(get("/ok"))).toBe("end");
    expect(server.received).toBe(get("/ok"));
    engine = await start(surroundings);
    expect(await publish(policyOf(OK))).toBe(port);
    expect(await dial(engine.port(port)).ask(get("/secret"))).toBe("403");
  });

  test("serves an endpoint that is gone no more", async () => {
    await startAgent();
    const place = engine.port(await publish(policyOf(OK)));
    const open = dial(place);
    expect(await open.ask(get("/ok"))).toBe("200");
    agent.remove(ENDPOINT);
    await vi.waitFor(async () => expect((await admin("/listeners")).body).toBe(""), 5000);
    expect([await open.ask(get("/ok")), await dial(place).ask(get("/ok"))]).toEqual(["end", "end"]);
    expect(server.received).toBe(get("/ok"));
  });

  test("counts what it did as Envoy does, for Prometheus", async () => {
    await startAgent();
    const client = dial(engine.port(await publish(policyOf(OK))));
    expect([await client.ask(get("/secret")), await client.ask(get("/ok"))]).toEqual(["403", "200"]);
    for (const path of ["/stats/prometheus", "/stats?format=prometheus"]) {
      const { status, body } = await admin(path);
      expect(status, path).toBe(200);
      expect(body).toMatch(/^envoy_http_downstream_rq_total\{.*\} 2$/m);
    }
  });

  test("shows no secret", async () => {
    await startAgent();
    const policy = policyOf(allow([{ headerMatches: [{ name: "Token", secret: "n/token" }] }]));
    const port = await publish({ ...policy, secrets: new Map([["n/token", "s3cr3t"]]) });
    expect(await dial(engine.port(port)).ask("GET / HTTP/1.1\r\nHost: h\r\nToken: s3cr3t\r\n\r\n")).toBe("200");
    await vi.waitFor(() => expect(records.length).toBeGreaterThan(0));
    const pages = await Promise.all(["/config_dump", "/listeners", "/stats", "/clusters"].map(admin));
    expect(JSON.stringify([pages, records])).not.toContain("s3cr3t");
    expect(pages[0]!.body).toContain("n/token");
  });
});
