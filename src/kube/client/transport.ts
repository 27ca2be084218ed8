import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { createSecureContext, type SecureContext } from "node:tls";
import { isFields } from "../object.ts";
import { KubeError, type StatusDetails } from "../status.ts";
import type { Credentials } from "./kubeconfig.ts";

const USER_AGENT = "shieldgate";
/** Connections that quick calls share; watches have one each. */
const MAX_SOCKETS = 6;
const KEEP_ALIVE_MS = 10_000;

/** The time for a connection passes in parts: a loop that was held up has heard nobody meanwhile, and counts one of them. */
const PARTS = 10;

/** How long a server may be silent, in milliseconds. */
export interface Limits {
  /** Until a connection stands. The kernel's own retries take minutes, and come ever more seldom when the way is free again. */
  readonly connect: number;
  /** Until the next bytes of an answer that is no stream. */
  readonly answer: number;
}

const LIMITS: Limits = { connect: 5_000, answer: 30_000 };

export interface TransportRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** A connection of its own, for streams. */
  readonly stream?: boolean;
}

/** HTTPS to one server, with connections kept open. */
export class Transport {
  readonly #credentials: () => Promise<Credentials>;
  readonly #limits: Limits;
  #known: Credentials | undefined;
  #context: SecureContext | undefined;
  #agent: Agent | undefined;
  #streams: Agent | undefined;

  constructor(credentials: () => Promise<Credentials>, limits: Limits = LIMITS) {
    this.#credentials = credentials;
    this.#limits = limits;
  }

  async #connect(): Promise<{ credentials: Credentials; agent: Agent; streams: Agent }> {
    this.#known ??= await this.#credentials();
    const { ca, cert, key } = this.#known;
    // Read once: parsing certificates is a third of what a connection costs.
    this.#context ??= createSecureContext({ ca, cert, key });
    const tls = { secureContext: this.#context, maxCachedSessions: 0, noDelay: true };
    this.#agent ??= new Agent({ ...tls, keepAlive: true, maxSockets: MAX_SOCKETS });
    this.#streams ??= new Agent({ ...tls, keepAlive: false });
    return { credentials: this.#known, agent: this.#agent, streams: this.#streams };
  }

  /** The answer once its head is there. Throws KubeError for codes of 400 and above, or the connection's error. */
  async send(request: TransportRequest): Promise<IncomingMessage> {
    const response = await this.#exchange(request);
    if ((response.statusCode ?? 500) < 400) return response;
    throw errorOf(response.statusCode ?? 500, await readText(response));
  }

  async #exchange(request: TransportRequest): Promise<IncomingMessage> {
    const { credentials, agent, streams } = await this.#connect();
    const url = new URL(credentials.server.replace(/\/$/, "") + request.path);
    const headers = {
      Accept: "application/json",
      "User-Agent": USER_AGENT,
      ...(credentials.token === undefined ? {} : { Authorization: `Bearer ${credentials.token}` }),
      ...(request.body === undefined
        ? {}
        : {
            "Content-Type": request.contentType ?? "application/json",
            "Content-Length": Buffer.byteLength(request.body),
          }),
    };
    const { method, signal } = request;
    return new Promise((resolve, reject) => {
      const options = { method, headers, agent: request.stream ? streams : agent, ...(signal ? { signal } : {}) };
      const sent = httpsRequest(url, options, resolve);
      guard(sent, url.host, request.stream === true, this.#limits);
      sent.on("error", (error) => {
        // The server closed a kept connection just as we wrote to it: it never saw the request.
        const stale = sent.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET" && method === "GET";
        if (stale) this.#exchange(request).then(resolve, reject);
        else reject(error);
      });
      sent.end(request.body);
    });
  }

  close(): void {
    this.#agent?.destroy();
    this.#streams?.destroy();
  }
}

/** Ends a request whose server vanished without a word: while connecting, answering, or in a stream that says nothing for long. */
function guard(sent: ClientRequest, host: string, isStream: boolean, { connect, answer }: Limits): void {
  const fail = (what: string, limit: number) => sent.destroy(new Error(`no ${what} ${host} within ${limit} ms`));
  if (!isStream) sent.setTimeout(answer, () => fail("answer from", answer));
  sent.on("socket", (socket) => {
    if (isStream) socket.setKeepAlive(true, KEEP_ALIVE_MS);
    if (!socket.connecting) return;
    let left = PARTS;
    const pass = () => {
      if (--left === 0) fail("connection to", connect);
    };
    const timer = setInterval(pass, connect / PARTS);
    const stop = () => clearInterval(timer);
    socket.once("secureConnect", stop);
    sent.once("close", stop);
  });
}

/** The whole body as text. */
export async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** A Status as the error it says; anything else as an error with its code. */
export function errorOf(code: number, text: string): KubeError {
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    return new KubeError(code, "Unknown", text.trim() || `the server answered ${code}`);
  }
  if (!isFields(status) || status.kind !== "Status") return new KubeError(code, "Unknown", text.trim());
  const details = isFields(status.details) ? (status.details as StatusDetails) : undefined;
  const said = typeof status.code === "number" ? status.code : code;
  return new KubeError(said, String(status.reason ?? "Unknown"), String(status.message ?? ""), details);
}
