import { join } from "node:path";
import type { FlowRing } from "../../flow/index.ts";
import type { Registry } from "../../metrics/index.ts";
import type { Log } from "../../model/log.ts";
import { ExportRecords } from "./records.ts";
import { RotatedFile } from "./rotated-file.ts";
import type { ExportSettings } from "./settings.ts";

/** Entries that are made into lines at once, at most: the ring keeps the newest 256 as messages, which need no decoding. */
const BATCH = 128;
const PAUSE_MS = 500;
/** Lines that may wait for the disk. */
const MOST_WAITING = 50_000;
/** How long a disk that failed is left alone. */
const RETRY_MS = 30_000;

export interface FlowExporterOptions {
  readonly ring: FlowRing;
  /** The node's own name, without its cluster's. */
  readonly nodeName: string;
  /** Where the files are. */
  readonly directory: string;
  readonly metrics: Registry;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}

interface Sink {
  append(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const STDOUT: Sink = {
  append: async (lines) => void process.stdout.write(lines.join("")),
  close: async () => undefined,
};

/** One export with its settings, from the ring's next entry on. */
class Export {
  private readonly options: FlowExporterOptions;
  private readonly records: ExportRecords;
  private readonly sink: Sink;
  private readonly counted: (written: number, lost: number) => void;
  private readonly stops: (() => void)[] = [];
  private sequence: number;
  private waiting: string[] = [];
  private writing: Promise<void> | undefined;
  private failedAt: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** Nothing is written before `earlier` has ended: it may be about the same file. */
  constructor(
    options: FlowExporterOptions,
    settings: ExportSettings,
    counted: Export["counted"],
    earlier: Promise<void>,
  ) {
    const { ring, nodeName, directory, now } = options;
    this.options = options;
    this.counted = counted;
    this.records = new ExportRecords(settings, nodeName);
    const file = { ...settings, path: join(directory, settings.path), now };
    this.sink = settings.path === "stdout" ? STDOUT : new RotatedFile(file);
    this.sequence = ring.next;
    this.writing = earlier.then(() => this.drain());
    this.stops.push(ring.onAppend(() => this.appended()));
    if (settings.aggregate.length === 0) return;
    const flushing = setInterval(() => this.send(this.records.flush()), settings.aggregationMs).unref();
    this.stops.push(() => clearInterval(flushing));
  }

  /** Resolves when all that the ring has is written, or will not be. */
  async close(): Promise<void> {
    for (const stop of this.stops) stop();
    clearTimeout(this.timer);
    this.read();
    this.send(this.records.flush());
    await this.writing;
    await this.sink.close().catch(() => undefined);
  }

  private appended(): void {
    const { next, capacity } = this.options.ring;
    if (next - this.sequence >= Math.min(BATCH, capacity / 2)) this.read();
    else this.timer ??= setTimeout(() => this.read(), PAUSE_MS).unref();
  }

  private read(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { ring } = this.options;
    const lines: string[] = [];
    while (this.sequence < ring.next) {
      const entry = ring.read(this.sequence);
      if (entry === undefined) break;
      if (entry.kind === "overtaken") {
        this.counted(0, entry.missed);
        this.sequence = ring.oldest;
        continue;
      }
      lines.push(...this.records.take(entry));
      this.sequence++;
    }
    this.send(lines);
  }

  private send(lines: readonly string[]): void {
    if (this.waiting.length + lines.length > MOST_WAITING) this.counted(0, lines.length);
    else this.waiting.push(...lines);
    if (this.waiting.length > 0) this.writing ??= this.drain();
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const lines = this.waiting;
      this.waiting = [];
      await this.write(lines);
    }
    this.writing = undefined;
  }

  private async write(lines: readonly string[]): Promise<void> {
    const { now, log } = this.options;
    if (this.failedAt !== undefined && Math.abs(now() - this.failedAt) < RETRY_MS) return this.counted(0, lines.length);
    try {
      await this.sink.append(lines);
      if (this.failedAt !== undefined) log("export of flows: goes on", "info");
      this.failedAt = undefined;
      this.counted(lines.length, 0);
    } catch (error) {
      if (this.failedAt === undefined)
        log(
          `export of flows: stands still, tried again every ${RETRY_MS / 1000} s: ${(error as Error).message}`,
          "error",
        );
      this.failedAt = now();
      this.counted(0, lines.length);
    }
  }
}

/** Writes what the ring takes to files, as its settings say. What the disk does not take is counted, and nothing waits for it. */
export class FlowExporter {
  private readonly options: FlowExporterOptions;
  private readonly counted: (written: number, lost: number) => void;
  private told = "";
  private running: Export | undefined;
  private ending: Promise<void> = Promise.resolve();

  constructor(options: FlowExporterOptions) {
    this.options = options;
    const counter = (name: string, help: string) => options.metrics.counter({ name, help }).of();
    const written = counter("shieldgate_flow_export_lines_total", "Lines of flows that were written to files");
    const lost = counter("shieldgate_flow_export_lost_total", "Flows that were to be written to files and are not");
    this.counted = (more, less) => {
      written.inc(more);
      lost.inc(less);
    };
  }

  /** Other settings end what runs, when that has written what it holds, and begin anew. */
  configure(settings: ExportSettings): void {
    const told = JSON.stringify(settings);
    if (told === this.told) return;
    this.told = told;
    const ending = this.close();
    if (settings.path !== "") this.running = new Export(this.options, settings, this.counted, ending);
  }

  async close(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    if (running !== undefined) this.ending = Promise.all([this.ending, running.close()]).then(() => undefined);
    await this.ending;
  }
}
