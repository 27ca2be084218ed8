/** Servers that people run behind a proxy. Each keeps what it took for requests. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { createInterface } from "node:readline";

export interface SeenRequest {
  readonly method: string;
  /** As sent. */
  readonly target: string;
  /** As the server understands it. */
  readonly path: string;
}

export interface RealServer {
  readonly port: number;
  /** All requests until now. */
  seen(): readonly SeenRequest[];
  stop(): void;
}

export async function startNodeServer(): Promise<RealServer> {
  const requests: SeenRequest[] = [];
  const see = (method = "", target = "") => {
    const { pathname } = URL.canParse(target, "http://h") ? new URL(target, "http://h") : { pathname: target };
    const character = (_: string, hex: string) => String.fromCharCode(Number.parseInt(hex, 16));
    requests.push({ method, target, path: pathname.replace(/%([0-9a-f]{2})/gi, character) });
  };
  const server = createServer((request, response) => {
    see(request.method, request.url);
    request.resume();
    request.on("end", () => response.end("ok"));
    request.on("error", () => undefined);
  });
  server.on("connect", (request, socket) => {
    see(request.method, request.url);
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen: () => requests,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Go's net/http: the oracle that `npm run oracles` builds. */
export async function startGoServer(binary: string): Promise<RealServer> {
  const child = spawn(binary, { stdio: ["ignore", "pipe", "inherit"] });
  const requests: SeenRequest[] = [];
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<number>((resolve) => lines.once("line", (line) => resolve(Number(line))));
  lines.on("line", (line) => requests.push(JSON.parse(line) as SeenRequest));
  return { port, seen: () => requests, stop: () => child.kill("SIGKILL") };
}

export function hasNginx(): boolean {
  return spawnSync("nginx", ["-v"], { stdio: "ignore" }).error === undefined;
}

/** nginx, with a log of its own; a request that it answers with 400 is none to it. */
export async function startNginx(port: number): Promise<RealServer> {
  const directory = mkdtempSync(join(tmpdir(), "sgt-nginx-"));
  const log = join(directory, "access.log");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join("\n");
  const configuration = `
daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 512; }
http {
  ${temporary}
  log_format seen escape=json '{"status":"$status","method":"$request_method","target":"$request_uri","path":"$uri"}';
  access_log ${log} seen;
  server { listen 127.0.0.1:${port}; location / { return 200 ok; } }
}`;
  const file = join(directory, "nginx.conf");
  writeFileSync(file, configuration);
  const child = spawn("nginx", ["-e", `${directory}/error.log`, "-c", file], { stdio: "ignore" });
  await accepts(port, child);
  const seen = () =>
    (existsSync(log) ? readFileSync(log, "utf8") : "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as SeenRequest & { status: string })
      .filter(({ status }) => status !== "400");
  const stop = () => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  return { port, seen, stop };
}

/** A port of loopback that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when somebody accepts at the port; rejects when the process ends first. */
export async function accepts(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) throw new Error(`exit code ${child.exitCode}`);
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).on("error", () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it accepts no connection");
}

/** True where neither the words nor the server's understanding of them leave what `/ok.*` allows. */
export function isWithin({ target, path }: SeenRequest): boolean {
  return target.startsWith("/ok") && posix.normalize(path).startsWith("/ok");
}
