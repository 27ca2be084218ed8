import { type IncomingMessage, request } from "node:http";
import { kernelReason } from "../../model/system-error.ts";
import { CommandError } from "../cobra/run.ts";
import { operationError } from "./operations.ts";

const DEFAULT_SOCKET = "/var/run/cilium/cilium.sock";
const DEFAULT_HEALTH_SOCKET = "/var/run/cilium/health.sock";
/** How long a call may take where a command does not say, in ms. */
const TIMEOUT_MS = 90_000;
const FOREVER_MS = 2 ** 31 - 1;

/**
 * Path of the agent's socket: the one of `--host` or CILIUM_HOST (`unix:///a/path`), CILIUM_SOCK, or the one inside the
 * agent's pod. Throws CommandError for a host of another kind: an agent listens nowhere else.
 */
export function agentSocket(): string {
  const host = process.env["CILIUM_HOST"];
  if (!host) return process.env["CILIUM_SOCK"] || DEFAULT_SOCKET;
  const [scheme, path] = host.split("://", 2);
  const wrong = "Error while creating client:";
  if (path === undefined) throw new CommandError(`${wrong} invalid host format '${host}'\n`);
  if (scheme !== "unix")
    throw new CommandError(`${wrong} an agent listens on its socket alone: unix://${DEFAULT_SOCKET}\n`);
  return path;
}

/** With `--debug`: tells of a call on standard error. */
function tell(method: string, url: string, socket: string, outcome: string | number): void {
  if (process.env["CILIUM_DEBUG"] !== "true") return;
  process.stderr.write(`level=debug msg="${method} ${url}" socket=${socket} answer=${JSON.stringify(outcome)}\n`);
}

/** Path of the health API's socket: CILIUM_HEALTH_SOCK or the one inside the agent's pod. */
export function healthSocket(): string {
  return process.env["CILIUM_HEALTH_SOCK"] || DEFAULT_HEALTH_SOCKET;
}

/** A call that failed, in the words of upstream's client. */
export class CallError extends Error {
  /** Of the answer; 0 = there was none. */
  readonly status: number;
  constructor(message: string, status = 0) {
    super(message);
    this.status = status;
  }
}

type Method = "GET" | "PATCH" | "PUT" | "DELETE";

/** `path` is a template of the API without `/v1`; `words` fill its places in order. */
export interface ApiCall {
  readonly method?: Method;
  readonly path: string;
  readonly words?: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** A word of a path, escaped as Go's client does. */
function segment(word: string): string {
  const hex = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(word)
    .replace(/[!*'()]/g, hex)
    .replace(/%(?:24|26|2B|3A|3D|40)/g, decodeURIComponent);
}

function urlOf({ path, words = [], query = {} }: ApiCall): string {
  const left = [...words];
  const filled = path.replace(/\{\w+\}/g, () => segment(left.shift() ?? ""));
  const params = new URLSearchParams(query);
  return `/v1${filled}${params.size === 0 ? "" : `?${String(params).replaceAll("*", "%2A").replaceAll("%7E", "~")}`}`;
}

function connectionError(error: NodeJS.ErrnoException, method: string, url: string, socket: string): CallError {
  const verb = method[0] + method.slice(1).toLowerCase();
  const reason = kernelReason(error) ?? error.message;
  const text = `${verb} "http://localhost${url}": dial unix ${socket}: connect: ${reason}`;
  return new CallError(socket === DEFAULT_SOCKET ? `${text}\nIs the agent running?` : text);
}

/** Opens a call and gives the answer's stream, whatever its status. Rejects with CallError when there is no answer. */
function open(call: ApiCall, url: string, signal: AbortSignal, socketPath: string): Promise<IncomingMessage> {
  const { method = "GET", body, timeoutMs = TIMEOUT_MS } = call;
  const timeout = AbortSignal.timeout(timeoutMs);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sizes =
    text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const headers = { ...call.headers, ...sizes };
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, method, path: url, headers, signal: AbortSignal.any([signal, timeout]) },
      (answer) => {
        tell(method, url, socketPath, answer.statusCode ?? 0);
        resolve(answer);
      },
    );
    sent.on("error", (error) => {
      tell(method, url, socketPath, error.message);
      if (timeout.aborted) reject(new CallError("Cilium API client timeout exceeded"));
      else reject(signal.aborted ? error : connectionError(error, method, url, socketPath));
    });
    sent.end(text);
  });
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const chunk of answer as AsyncIterable<string>) text += chunk;
  return text;
}

/** The JSON that a call answers. Rejects with CallError in the words of upstream's client. */
export async function callAgent<T>(call: ApiCall, signal: AbortSignal, socket = agentSocket()): Promise<T> {
  const answer = await open(call, urlOf(call), signal, socket);
  const text = await readText(answer);
  const status = answer.statusCode ?? 0;
  if (status === 200) return JSON.parse(text === "" ? "null" : text) as T;
  throw new CallError(operationError(`${call.method ?? "GET"} ${call.path}`, status, text.trim()), status);
}

/** The same for what is no part of Cilium's API: an error is a CommandError, ready to be shown. */
export async function ask<T>(call: ApiCall, signal: AbortSignal): Promise<T> {
  try {
    return await callAgent<T>(call, signal);
  } catch (error) {
    throw error instanceof CallError ? new CommandError(error.message) : error;
  }
}

/** The JSON of a GET of any path, also of the health API. Rejects with CommandError. */
export function getJson<T>(path: string, signal: AbortSignal, socket = agentSocket()): Promise<T> {
  return sendJson("GET", path, signal, socket);
}

/** The JSON of a call of any path. Rejects with CommandError. */
export async function sendJson<T>(
  method: Method,
  path: string,
  signal: AbortSignal,
  socket = agentSocket(),
): Promise<T> {
  const answer = await openOrFail({ method, path }, path, signal, socket);
  return JSON.parse(await readText(answer)) as T;
}

/** The body of a GET of any path. Rejects with CallError when the agent does not answer. */
export async function getText(path: string, signal: AbortSignal): Promise<string> {
  return readText(await open({ path }, path, signal, agentSocket()));
}

/** The rows of a table of the agent from a key on. Rejects with CommandError. */
export async function statedbRows<T>(table: string, key: string, signal: AbortSignal): Promise<readonly T[]> {
  const body = { key: Buffer.from(key).toString("base64"), table, index: "identifier", lowerbound: true };
  const path = "/statedb/query";
  const text = await readText(await openOrFail({ path, body }, path, signal, agentSocket()));
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => (JSON.parse(line) as { readonly obj: T }).obj);
}

/** Opens a stream, for as long as it lasts. Rejects with CommandError. */
export function openStream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return openOrFail({ path, timeoutMs: FOREVER_MS }, `/v1${path}`, signal, agentSocket());
}

async function openOrFail(call: ApiCall, url: string, signal: AbortSignal, socket: string): Promise<IncomingMessage> {
  const answer = await open(call, url, signal, socket).catch((error: unknown) => {
    throw error instanceof CallError ? new CommandError(error.message) : error;
  });
  if (answer.statusCode === 200) return answer;
  throw new CommandError(`[${call.method ?? "GET"} ${call.path}][${answer.statusCode}] ${await readText(answer)}`);
}
