import { execFile } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { listen, peerOf } from "../listener.ts";

const DIAL_TIMEOUT_MS = 5000;
const MOST_TRIES = 50;

type Answer = (query: URLSearchParams, request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** What an HTTP or UDP server of agnhost's `netexec` says to these words. */
export function sayTo(words: string, peer: string): string {
  const [command = "", ...rest] = words.trim().split(" ");
  if (command.toLowerCase() === "echo") return rest.join(" ");
  if (command.toLowerCase() === "clientip") return peer;
  return command.toLowerCase() === "hostname" ? hostname() : "";
}

function ask(protocol: string, host: string, port: number, what: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (protocol === "udp") {
    const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
    const timer = setTimeout(() => socket.emit("error", new Error("timed out")), DIAL_TIMEOUT_MS);
    socket.once("message", (message) => resolve(message.toString()));
    socket.once("error", reject);
    socket.connect(port, host, () => socket.send(what));
    return promise.finally(() => {
      clearTimeout(timer);
      socket.close();
    });
  }
  const asked = httpRequest({ host, port, path: `/${what}`, timeout: DIAL_TIMEOUT_MS }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    response.once("end", () => resolve(body));
  });
  asked.once("timeout", () => asked.destroy(new Error("timed out")));
  asked.once("error", reject);
  asked.end();
  return promise;
}

const dial: Answer = async (query, _request, response) => {
  const host = query.get("host") ?? "";
  const port = Number(query.get("port"));
  const protocol = (query.get("protocol") ?? "http").toLowerCase();
  const what = query.get("request") ?? query.get("dialCommand") ?? "hostname";
  const tries = Math.min(MOST_TRIES, Number(query.get("tries") ?? 1) || 1);
  const refuse = (why: string) => void response.writeHead(400).end(why);
  if (isIP(host.replace(/^\[|\]$/g, "")) === 0 && host === "") return refuse("host parameter is missing");
  if (!Number.isInteger(port) || port < 1 || port > 65535) return refuse("port parameter is no port");
  if (protocol !== "http" && protocol !== "udp") return refuse(`protocol ${protocol} is not there: http and udp are`);
  const responses: string[] = [];
  const errors: string[] = [];
  for (let count = 0; count < tries; count++) {
    await ask(protocol, host, port, what).then(
      (answer) => responses.push(answer),
      (error: Error) => errors.push(error.message),
    );
  }
  const result = {
    ...(responses.length > 0 ? { responses } : {}),
    ...(errors.length > 0 ? { errors } : {}),
  };
  response.end(JSON.stringify(result));
};

const shell: Answer = (query, _request, response) => {
  const command = query.get("shellCommand") ?? query.get("cmd") ?? "";
  execFile("/bin/sh", ["-c", command], (error, stdout, stderr) => {
    const output = `${stdout}${stderr}`;
    response.end(JSON.stringify({ output, ...(error === null ? {} : { error: `exit status ${error.code}` }) }));
  });
};

const exit: Answer = (query, _request, response) => {
  const code = Number(query.get("code") ?? 0);
  const wait = Number.parseFloat(query.get("wait") ?? "0") * 1000;
  response.end();
  setTimeout(() => process.exit(code), wait || 0);
};

const ANSWERS: Readonly<Record<string, Answer>> = {
  "/": (_query, _request, response) => void response.end(`NOW: ${new Date().toISOString()}`),
  "/clientip": (_query, request, response) => void response.end(peerOf(request.socket)),
  "/hostname": (_query, _request, response) => void response.end(hostname()),
  "/hostName": (_query, _request, response) => void response.end(hostname()),
  "/healthz": (_query, _request, response) => void response.end(),
  "/header": (query, request, response) =>
    void response.end(String(request.headers[(query.get("key") ?? "").toLowerCase()] ?? "")),
  "/echo": (query, _request, response) =>
    void response.writeHead(Number(query.get("code") ?? 200)).end(query.get("msg") ?? ""),
  "/redirect": (query, _request, response) =>
    void response.writeHead(Number(query.get("code") ?? 302), { location: query.get("location") ?? "/" }).end(),
  "/dial": dial,
  "/shell": shell,
  "/exit": exit,
};

function serveDatagrams(port: number, type: "udp4" | "udp6"): Promise<DatagramSocket> {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.on("message", (message, { address, port: from }) => {
    const peer = `${address.includes(":") ? `[${address}]` : address}:${from}`;
    const answer = sayTo(message.toString(), peer);
    if (answer !== "") socket.send(answer, from, address);
  });
  const { promise, resolve, reject } = Promise.withResolvers<DatagramSocket>();
  socket.once("error", reject);
  socket.bind(port, () => resolve(socket));
  return promise;
}

/** Serves HTTP and UDP as `agnhost netexec` does; a port of -1 is not opened. Resolves with the ports and a way to end it. */
export async function serveNetexec(ports: {
  readonly http: number;
  readonly udp: number;
}): Promise<{ readonly http: number; readonly udp: number; close(): void }> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://netexec");
    process.stdout.write(`GET ${url.pathname} ${peerOf(request.socket)}\n`);
    const answer = ANSWERS[url.pathname];
    if (answer !== undefined) void answer(url.searchParams, request, response);
    else if (url.pathname === "/upload" || url.pathname === "/dump")
      response.writeHead(501).end(`${url.pathname} is not there in this lab's netexec\n`);
    else response.writeHead(404).end("404 page not found\n");
  });
  const http = ports.http < 0 ? -1 : await listen(server, ports.http);
  const sockets: DatagramSocket[] = [];
  let udp = ports.udp;
  if (ports.udp >= 0) {
    sockets.push(await serveDatagrams(ports.udp, "udp4"));
    udp = sockets[0]!.address().port;
    await serveDatagrams(udp, "udp6")
      .then((socket) => sockets.push(socket))
      .catch(() => undefined); // a pod of IPv4 alone
  }
  const close = () => {
    server.close();
    for (const socket of sockets) socket.close();
  };
  return { http, udp, close };
}
