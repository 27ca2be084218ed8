/** One HTTPS request to an API server, whatever it answers. */
import { Agent, request } from "node:https";
import { gunzipSync } from "node:zlib";

/** A request in the words of HTTP. */
export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when it is text, else as JSON. */
  readonly body?: unknown;
}

export interface ApiAnswer {
  readonly code: number;
  readonly type: string;
  readonly warnings: readonly string[];
  /** How the body came; `text` is what it says. */
  readonly encoding: string;
  readonly text: string;
}

/** A user's connections to one server. */
export class ApiConnection {
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, tls: { readonly ca: string; readonly cert: string; readonly key: string }, sockets = 4) {
    this.#url = url;
    this.#agent = new Agent({ ...tls, keepAlive: true, maxSockets: sockets, noDelay: true });
  }

  /** The answer, when it has ended. Throws the connection's error. */
  ask(request: ApiRequest): Promise<ApiAnswer> {
    // A kept connection may have been closed in the moment of its use.
    return this.#exchange(request).catch((error: Error & { reused?: boolean }) => {
      if (error.reused) return this.#exchange(request);
      throw error;
    });
  }

  #exchange({ method, path, headers, body }: ApiRequest): Promise<ApiAnswer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const length =
      text === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const sent = request(
        new URL(path, this.#url),
        { method, agent: this.#agent, headers: { "User-Agent": "tester/1", ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const encoding = response.headers["content-encoding"] ?? "";
            const body = Buffer.concat(chunks);
            resolve({
              code: response.statusCode ?? 0,
              type: response.headers["content-type"] ?? "",
              warnings: warningsOf(response.headers["warning"]),
              encoding,
              text: (encoding === "gzip" ? gunzipSync(body) : body).toString("utf8"),
            });
          });
        },
      );
      sent.on("error", (error) => reject(Object.assign(error, { reused: sent.reusedSocket })));
      sent.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Warning headers arrive joined: each begins with its code. */
function warningsOf(header: string | undefined): string[] {
  return [...(header ?? "").matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
}
