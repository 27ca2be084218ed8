import { type IncomingMessage, request } from "node:http";
import { CommandError } from "../cobra/run.ts";

const DEFAULT_SOCKET = "/var/run/cilium/cilium.sock";

/** Path of the agent's socket: CILIUM_SOCK or the one inside the agent's pod. */
export function agentSocket(): string {
  return process.env["CILIUM_SOCK"] || DEFAULT_SOCKET;
}

function unreachable(error: NodeJS.ErrnoException): CommandError {
  return new CommandError(
    `Cannot connect to the agent on ${agentSocket()}: ${error.code ?? error.message}. Is the agent running? Run this inside the cilium pod, or name the socket in CILIUM_SOCK.`,
  );
}

/** Opens a GET and gives the answer's stream. Throws CommandError when the agent is away or answers with an error. */
export function openPath(path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return open("GET", path, signal);
}

async function open(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<IncomingMessage> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath: agentSocket(), method, path, signal }, resolve);
    call.on("error", (error) => reject(signal.aborted ? error : unreachable(error)));
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
export async function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  return JSON.parse(await readText(await openPath(path, signal))) as T;
}

/** The JSON of a call that changes something. */
export async function sendJson<T>(
  method: "PATCH" | "DELETE",
  path: string,
  signal: AbortSignal,
  body?: unknown,
): Promise<T> {
  return JSON.parse(await readText(await open(method, path, signal, body))) as T;
}
