import type { HttpFault } from "../wire/http-head.ts";
import { type ConnectionLog, NO_REQUEST } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { Exchange } from "./exchange.ts";
import { localReply } from "./local-reply.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
  /** The connection ends after it. */
  readonly close: boolean;
}

/** The answers that the proxy gives itself on one connection, and their records. */
export class OwnAnswers {
  private readonly client: ByteStream;
  private readonly log: ConnectionLog;

  constructor(client: ByteStream, log: ConnectionLog) {
    this.client = client;
    this.log = log;
  }

  /** To bytes that are no request; the connection must end. */
  refuse({ fault, status }: HttpFault): void {
    const failure = { flag: "DPE", reason: fault };
    this.log.request(NO_REQUEST, "error", fault, []);
    this.log.response(NO_REQUEST, status, this.log.now(), [], failure);
    this.client.write(localReply({ status, body: "Bad request\r\n", close: true }).bytes);
  }

  /** To a request, in place of a server; `failure` where one is to blame. False when the client is slow to take it. */
  give({ request, facts, startedMs }: Exchange, answer: Answer, failure?: { flag: string; reason: string }): boolean {
    const headOnly = request.method === "HEAD";
    const location = answer.status === 307 ? { location: request.path } : {};
    const reply = localReply({ ...answer, headOnly, ...location });
    this.log.response(facts, answer.status, startedMs, reply.headers, failure);
    return this.client.write(reply.bytes);
  }
}
