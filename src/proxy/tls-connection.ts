import type { Socket } from "node:net";
import { type ClientHello, ClientHelloReader } from "../wire/tls-client-hello.ts";
import { SecondHelloGuard } from "../wire/tls-second-hello.ts";
import { ConnectionLog, type RequestFacts } from "./access.ts";
import type { ClientConnection, ClientConnectionOptions } from "./client-connection.ts";
import { failureNote } from "./local-reply.ts";
import { RequestJudge } from "./request-judge.ts";
import { errorCode, type UpstreamFailure, UpstreamLink } from "./upstream-link.ts";

/** How long a client may take over its hello: as long as Envoy's listener filters wait. */
const HELLO_TIMEOUT_MS = 15_000;
/** As Envoy's TCP proxy: a tunnel in which nothing moves for an hour ends. */
const IDLE_TIMEOUT_MS = 3_600_000;

const NO_HELLO: ClientHello = { serverName: undefined, protocols: [] };

/**
 * One client connection that is judged by the name of the server that the client asks for. The hello is read, then the bytes go
 * on as they are: nothing is decrypted. No byte reaches the server before the hello is judged, and a client that is refused
 * gets a reset. A client whose hello cannot be read is one that asks for no name: rules that want a name refuse it.
 */
export class TlsConnection implements ClientConnection {
  private readonly options: ClientConnectionOptions;
  private readonly client: Socket;
  private readonly judging: RequestJudge;
  private readonly log: ConnectionLog;
  private readonly reader = new ClientHelloReader();
  private phase: "hello" | "tunnel" | "closed" = "hello";
  /** The client's bytes until they are judged. */
  private held: Uint8Array = Buffer.alloc(0);
  private hello = NO_HELLO;
  /** While another hello may come. */
  private guard: SecondHelloGuard | undefined;
  private startedMs = 0;
  private upstream: UpstreamLink | undefined;
  private clientEnded = false;
  private serverEnded = false;
  /** The server has said something. */
  private answered = false;
  private readonly helloTimer: NodeJS.Timeout;

  constructor(options: ClientConnectionOptions) {
    this.options = options;
    this.client = options.client;
    this.judging = new RequestJudge(options);
    this.log = new ConnectionLog(options.facts, options.record, options.now);
    this.helloTimer = setTimeout(() => this.decide("no client hello in time"), HELLO_TIMEOUT_MS);
    this.client.setNoDelay(true);
    this.client.setTimeout(IDLE_TIMEOUT_MS, () => this.reset());
    this.client.on("data", (chunk: Uint8Array) => this.consume(chunk));
    this.client.on("end", () => this.clientEnd());
    this.client.on("drain", () => this.upstream?.resume());
    this.client.on("error", () => this.destroy());
    this.client.on("close", (hadError) => {
      // When both have ended in order, the server may still be taking the client's last bytes.
      if (hadError || !this.clientEnded) this.destroy();
    });
  }

  /** The tunnel has no end of its own to wait for. */
  drain(): void {
    this.reset();
  }

  policyChanged(): void {
    if (this.phase !== "tunnel") return;
    const judgement = this.judging.judgeServerName(this.hello.serverName);
    if (!judgement.allowed) this.refuse(judgement.reason);
  }

  destroy(): void {
    if (this.close()) this.client.destroy();
  }

  private consume(chunk: Uint8Array): void {
    if (this.phase === "tunnel") this.relay(chunk);
    if (this.phase !== "hello") return;
    const progress = this.reader.push(chunk, 0, chunk.length);
    const end = progress.state === "hello" ? progress.consumed : chunk.length;
    this.held = Buffer.concat([this.held, chunk.subarray(0, end)]);
    if (progress.state === "more") return;
    if (progress.state === "hello") {
      this.hello = progress.hello;
      this.guard = new SecondHelloGuard(progress.hello.serverName, (bytes) => this.send(bytes));
    }
    this.decide(progress.state === "fault" ? progress.fault : "");
    this.consume(chunk.subarray(end));
  }

  /** What the client says in the tunnel. */
  private relay(chunk: Uint8Array): void {
    const { guard } = this;
    if (guard === undefined) {
      this.send(chunk);
      return;
    }
    const fault = guard.fromClient(chunk);
    if (fault !== undefined) this.refuse(fault);
    if (guard.isOver) this.guard = undefined;
  }

  /** `fault` says why the hello could not be read; empty = it could. */
  private decide(fault: string): void {
    clearTimeout(this.helloTimer);
    const judgement = this.judging.judgeServerName(this.hello.serverName);
    if (judgement.allowed) this.open();
    else this.refuse(fault === "" ? judgement.reason : fault);
  }

  private get facts(): RequestFacts {
    const { serverName, protocols } = this.hello;
    return {
      protocol: "",
      method: "",
      url: "",
      tls: { ...(serverName === undefined ? {} : { serverName }), protocols },
    };
  }

  private refuse(reason: string): void {
    this.log.request(this.facts, "denied", reason, []);
    this.reset();
  }

  private open(): void {
    this.log.request(this.facts, "forwarded", "", []);
    this.phase = "tunnel";
    this.startedMs = this.options.now();
    try {
      const socket = this.options.connectUpstream(this.options.facts);
      socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
      this.upstream = new UpstreamLink(socket, this.options.connectTimeoutMs, {
        data: (chunk) => this.receive(chunk),
        drain: () => this.client.resume(),
        end: () => this.serverEnd(),
        gone: (failure, detail) => this.upstreamGone(failure, detail),
      });
    } catch (error) {
      this.upstreamGone("local connection failure", errorCode(error));
      return;
    }
    this.send(this.held);
    this.held = Buffer.alloc(0);
  }

  private send(bytes: Uint8Array): void {
    if (this.upstream?.write(bytes) === false) this.client.pause();
  }

  private receive(chunk: Uint8Array): void {
    this.answered = true;
    this.guard?.fromServer(chunk);
    if (!this.client.write(chunk)) this.upstream?.pause();
  }

  private clientEnd(): void {
    this.clientEnded = true;
    // A client that says nothing and goes has asked for nothing: no record.
    if (this.phase === "hello" && this.held.length === 0) this.reset();
    else if (this.phase === "hello") this.decide("client hello cut short");
    this.upstream?.end();
  }

  private serverEnd(): void {
    this.serverEnded = true;
    this.client.end();
  }

  /** After an end in order, what is on its way to the client still gets there. */
  private upstreamGone(failure: UpstreamFailure, detail: string): void {
    if (this.serverEnded && detail === "") return;
    if (this.phase === "tunnel" && !this.answered)
      this.log.response(this.facts, 0, this.startedMs, [], failureNote(failure, detail));
    this.reset();
  }

  private reset(): void {
    if (this.close()) this.client.resetAndDestroy();
  }

  /** False when that was done before. */
  private close(): boolean {
    if (this.phase === "closed") return false;
    this.phase = "closed";
    clearTimeout(this.helloTimer);
    this.held = Buffer.alloc(0);
    this.upstream?.destroy();
    return true;
  }
}
