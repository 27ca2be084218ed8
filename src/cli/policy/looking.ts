import { existsSync, readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Unread } from "../../agent/overheard-stream.ts";
import type { RehearsalNews } from "../../agent/rehearsals.ts";
import { labPaths, nodeRun } from "../../lab/paths.ts";

export interface LookingOptions {
  readonly lab: string;
  /** The candidate's own policies, as the API server would have them. */
  readonly policies: readonly unknown[];
  readonly complain: (text: string) => void;
  /** Is told of each connection that stood when the agent of `node` was asked: a response of Hubble as JSON. */
  readonly stood: (response: unknown, node: string) => void;
  readonly stop: AbortController;
}

const UNREAD: Readonly<Record<Unread, string>> = {
  before:
    "that stood before the rehearsal began, or whose beginning was lost (TLS and HTTP/2 show what is asked for from there on only)",
  cut: "of which a piece was lost, or longer than 4 KiB",
  strange: "that say nothing that the rules are about (TLS where they want HTTP, or what a proxy would refuse to read)",
  many: "given up because too many were read at a time",
};

/** How often nodes are looked for that are new, or whose agents were away. */
const ROUND_MS = 1000;

/**
 * Has the agents of a lab look at the requests that the candidate's rules judge, where no proxy sees them now, until the signal
 * comes or this process ends. Resolves when all agents that answer do; rejects when one refuses the candidate.
 */
export async function lookAtRequests(options: LookingOptions): Promise<Looking> {
  const looking = new Looking(options);
  await looking.round().catch((error: unknown) => {
    options.stop.abort();
    throw error;
  });
  void looking.goOn();
  return looking;
}

export class Looking {
  private readonly options: LookingOptions;
  /** Ports by node, of the agents that look. */
  private readonly watched = new Map<string, number>();
  private readonly unread = new Map<string, Readonly<Partial<Record<Unread, number>>>>();
  private readonly told = new Set<string>();

  constructor(options: LookingOptions) {
    this.options = options;
  }

  /** Ports of endpoints that are looked at now. */
  get ports(): number {
    return [...this.watched.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What was not seen, to be told at the end; undefined = nothing that is known of. */
  get gap(): string | undefined {
    const counts = [...this.unread.values()];
    const reasons = Object.entries(UNREAD).flatMap(([why, text]) => {
      const count = counts.reduce((sum, each) => sum + (each[why as Unread] ?? 0), 0);
      return count === 0 ? [] : [`${count} ${text}`];
    });
    return reasons.length === 0
      ? undefined
      : `connections of which not all could be read, at least: ${reasons.join("; ")}. What they asked for there is not judged`;
  }

  async goOn(): Promise<void> {
    const { stop, complain } = this.options;
    const { signal } = stop;
    while (!signal.aborted) {
      await sleep(ROUND_MS, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.round().catch((error: Error) => this.tellOnce("", error.message, complain));
    }
  }

  /** Asks every agent that does not look yet. */
  async round(): Promise<void> {
    const paths = labPaths(this.options.lab);
    if (!existsSync(paths.run)) return;
    const nodes = readdirSync(paths.run).filter((node) => existsSync(join(nodeRun(paths, node), "cilium.sock")));
    await Promise.all(nodes.filter((node) => !this.watched.has(node)).map((node) => this.ask(node)));
  }

  /** Resolves when the agent looks, or cannot be reached; rejects when it refuses. */
  private ask(node: string): Promise<void> {
    const { lab, policies, complain, stop } = this.options;
    const { signal } = stop;
    return new Promise((resolve, reject) => {
      const socketPath = join(nodeRun(labPaths(lab), node), "cilium.sock");
      const away = (why: string) => {
        this.watched.delete(node);
        if (!signal.aborted) this.tellOnce(node, `requests are not seen until its agent is back: ${why}`, complain);
        resolve();
      };
      const sent = request({ socketPath, method: "POST", path: "/v1/rehearsal", agent: false, signal }, (response) => {
        const lines = createInterface({ input: response });
        lines.on("line", (line) => {
          if (response.statusCode !== 200) return reject(new Error(`${node}: ${line}`));
          this.hear(node, JSON.parse(line) as RehearsalNews);
          resolve();
        });
        response.on("close", () => away("it ended the connection"));
        // told by `close`
        for (const each of [response, lines]) each.on("error", () => undefined);
      });
      sent.on("error", (error) => away(error.message));
      sent.end(JSON.stringify({ policies }));
    });
  }

  private hear(node: string, news: RehearsalNews): void {
    if ("connection" in news) this.options.stood(news.connection, node);
    else if ("unread" in news) this.unread.set(node, news.unread);
    else {
      this.watched.set(node, news.watched);
      this.told.delete(node);
    }
  }

  /** Until it is well again. */
  private tellOnce(node: string, text: string, complain: (text: string) => void): void {
    if (this.told.has(node)) return;
    this.told.add(node);
    complain(node === "" ? text : `${node}: ${text}`);
  }
}
