import { type IncomingMessage, request } from "node:http";
import { CommandError } from "../cobra/run.ts";

const DEFAULT_SOCKET = "/var/run/cilium/cilium.sock";
const DEFAULT_HEALTH_SOCKET = "/var/run/cilium/health.sock";

/** Path of the agent's socket: CILIUM_SOCK or the one inside the agent's pod. */
export function agentSocket(): string {
  return process.env["CILIUM_SOCK"] || DEFAULT_SOCKET;
}

/** Path of the health API's socket: CILIUM_HEALTH_SOCK or the one inside the agent's pod. */
export function healthSocket(): string {
  return process.env["CILIUM_HEALTH_SOCK"] || DEFAULT_HEALTH_SOCKET;
}

function unreachable(error: NodeJS.ErrnoException, socket: string): CommandError {
  const variable = socket === agentSocket() ? "CILIUM_SOCK" : "CILIUM_HEALTH_SOCK";
  return new CommandError(
    `Cannot connect to the agent on ${socket}: ${error.code ?? error.message}. Is the agent running? Run this inside the cilium pod, or name the socket in ${variable}.`,
  );
}

/** Opens a GET and gives the answer's stream. Throws CommandError when the agent is away or answers with an error. */
export function openPath(path: string, signal: AbortSignal, socket = agentSocket()): Promise<IncomingMessage> {
  return open("GET", path, signal, undefined, socket);
}

async function open(
  method: string,
  path: string,
  signal: AbortSignal,
  body: unknown,
  socketPath: string,
): Promise<IncomingMessage> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath, method, path, signal }, resolve);
    call.on("error", (error) => reject(signal.aborted ? error : unreachable(error, socketPath)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
  if (answer.statusCode === 200) return answer;
  const text = await readText(answer);
  let reason = text;
  try {
    reason = (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    // not JSON: the text itself says what is wrong
  }
  throw new CommandError(`[${method} ${path}][${answer.statusCode}] ${reason}`);
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const chunk of answer as AsyncIterable<string>) text += chunk;
  return text;
}

/** The JSON of a GET; the shape is that of src/agent/api.ts. */
export async function getJson<T>(path: string, signal: AbortSignal, socket = agentSocket()): Promise<T> {
  return JSON.parse(await readText(await openPath(path, signal, socket))) as T;
}

/** The JSON of a call that changes something. */
export async function sendJson<T>(
  method: "PATCH" | "DELETE" | "PUT",
  path: string,
  signal: AbortSignal,
  body?: unknown,
  socket = agentSocket(),
): Promise<T> {
  return JSON.parse(await readText(await open(method, path, signal, body, socket))) as T;
}
