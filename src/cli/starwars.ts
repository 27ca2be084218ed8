/** Main of image `quay.io/cilium/starwars`: the Death Star's web service. `node:net` and our own codec, because
 * `node:http` costs 7 MB more once it has served a request. */
import { createServer, type Socket } from "node:net";
import { BodyReader } from "../wire/http-body.ts";
import { HeadReader, isFault } from "../wire/http-head.ts";
import { type HttpRequest, readRequest } from "../wire/http-request.ts";

process.title = "starwars";

interface Route {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

const API = {
  name: "Death Star",
  hostname: process.env["HOSTNAME"] ?? "",
  model: "DS-1 Orbital Battle Station",
  manufacturer: "Imperial Department of Military Research, Sienar Fleet Systems",
  cost_in_credits: "1000000000000",
  length: "120000",
  crew: "342953",
  passengers: "843342",
  cargo_capacity: "1000000000000",
  hyperdrive_rating: "4.0",
  starship_class: "Deep Space Mobile Battlestation",
  api: [
    "GET   /v1",
    "GET   /v1/healthz",
    "POST  /v1/request-landing",
    "PUT   /v1/cargobay",
    "GET   /v1/hyper-matter-reactor/status",
    "PUT   /v1/exhaust-port",
  ],
};

/** What the service says when a torpedo hits: the shape of a Go panic. */
const EXPLOSION = `Panic: deathstar exploded

goroutine 1 [running]:
main.HandleGarbage(0xc000138d20, 0x2, 0x4, 0x6fa1c0, 0x5, 0xa)
        /src/empire/deathstar/exhaust_port.go:9 +0x64
main.main()
        /src/empire/deathstar/main.go:5 +0x85
`;

const WELL: Route = { body: "OK\n" };
const INFO: Route = { type: "application/json", body: `${JSON.stringify(API, null, "\t")}\n` };

const ROUTES: Readonly<Record<string, Route>> = {
  "GET /v1": INFO,
  "GET /v1/": INFO,
  "GET /healthz": WELL,
  "GET /v1/healthz": WELL,
  "POST /v1/request-landing": { body: "Ship landed\n" },
  "PUT /v1/cargobay": { body: "Cargo received\n" },
  "GET /v1/hyper-matter-reactor/status": { type: "application/json", body: '{"status":"online","load":0.42}\n' },
  "PUT /v1/exhaust-port": { body: EXPLOSION },
};

const NOT_FOUND: Route = { status: 404, body: "404 page not found\n" };

function log(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

/** Who asks. One socket serves both families: an IPv4 address comes as one of IPv6. */
function peer({ remoteAddress = "", remotePort }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:/, "");
  return address.includes(":") ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}

function answer(client: Socket, request: HttpRequest): void {
  const path = request.path.split("?", 1)[0]!;
  const route = ROUTES[`${request.method} ${path}`] ?? NOT_FOUND;
  const status = route.status ?? 200;
  log(`${request.method} ${request.path} ${status} ${peer(client)} ${request.host || "-"}`);
  const head = [
    `HTTP/1.1 ${status} ${status === 200 ? "OK" : "Not Found"}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${route.type ?? "text/plain; charset=utf-8"}`,
    `Content-Length: ${Buffer.byteLength(route.body)}`,
    ...(request.keepAlive ? [] : ["Connection: close"]),
  ];
  client.write(`${head.join("\r\n")}\r\n\r\n${request.method === "HEAD" ? "" : route.body}`);
}

/** Reads requests one after the other; each is answered once its body is in. */
function serve(client: Socket): void {
  const heads = new HeadReader();
  let request: HttpRequest | undefined;
  let body: BodyReader | undefined;
  const refuse = (status: number, reason: string) => {
    log(`bad request ${status} ${peer(client)} ${reason}`);
    client.end(`HTTP/1.1 ${status} Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  };
  const finish = (whole: HttpRequest) => {
    answer(client, whole);
    request = undefined;
    if (!whole.keepAlive) client.end();
  };
  const takeHead = (chunk: Uint8Array, at: number): number => {
    const progress = heads.push(chunk, at, chunk.length);
    if (progress.state === "more") return chunk.length - at;
    const read = progress.state === "fault" ? progress.fault : readRequest(progress.head);
    if (isFault(read)) {
      refuse(read.status, read.fault);
      return 0;
    }
    request = read;
    body = new BodyReader(read.framing);
    if (read.expectsContinue && !body.done) client.write("HTTP/1.1 100 Continue\r\n\r\n");
    return progress.state === "head" ? progress.consumed : 0;
  };
  client.on("data", (chunk) => {
    for (let at = 0; at < chunk.length && client.writable; ) {
      if (request === undefined) at += takeHead(chunk, at);
      else at += body!.take(chunk, at, chunk.length);
      if (body?.fault !== undefined) refuse(400, body.fault);
      else if (request !== undefined && body?.done === true) finish(request);
    }
  });
  client.on("error", () => client.destroy());
}

const port = Number(process.env["PORT"] ?? "80");
createServer(serve).listen(port, () => log(`deathstar is listening on :${port}`));
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
