import { Agent, request } from "node:http";

/** How often the proxy is asked, and how soon again while it does not answer; in ms. */
const POLL = 3000;
const RECONNECT = 200;
/** An answer that takes longer is none; in ms. */
const PATIENCE = 2000;

/** The agent's connection to the proxy's admin socket: kept open, and asked now and then whether the proxy is well. */
export class ProxyConnection {
  private readonly path: string;
  private readonly connections = new Agent({ keepAlive: true, maxSockets: 1 });
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private answered = false;

  constructor(path: string) {
    this.path = path;
  }

  get isHealthy(): boolean {
    return this.answered;
  }

  start(): void {
    const call = request(
      { socketPath: this.path, path: "/ready", agent: this.connections, timeout: PATIENCE },
      (response) => {
        response.resume();
        response.on("end", () => this.again(response.statusCode === 200));
        response.on("error", () => this.again(false));
      },
    );
    call.on("timeout", () => call.destroy());
    call.on("error", () => this.again(false));
    call.end();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.connections.destroy();
  }

  private again(answered: boolean): void {
    this.answered = answered;
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), answered ? POLL : RECONNECT);
    this.timer.unref();
  }
}
