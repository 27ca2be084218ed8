import { LostEventSource } from "../../../proto/gen/flow_pb.js";
import type { FlowRing } from "../../flow/index.ts";
import { enumName } from "../../flow/print/names.ts";
import { type CertificateSource, type ListenAddress, MetricsServer, Registry } from "../../metrics/index.ts";
import { checkMetricsList, createFlowMetrics, type FlowMetrics } from "./flow-metrics.ts";

/** What is counted of flows, and where it is read. */
export interface FlowMetricsSettings {
  /** As Cilium's `hubble-metrics`. */
  readonly list: string;
  /** Undefined = nothing is counted. */
  readonly address: ListenAddress | undefined;
  /** Whether OpenMetrics, and exemplars with it, go to those who ask for it. */
  readonly openMetrics: boolean;
  /** Absent = in clear. */
  readonly certificate?: CertificateSource | undefined;
}

/** How long the series of a pod that is gone can still be read, in ms. */
const GRACE_MS = 60_000;

const sourceLabel = (source: LostEventSource) => enumName(LostEventSource, source).toLowerCase();

/** Counts what a ring takes, from the first settings on, and serves it. */
export class FlowMetricsServer {
  readonly registry = new Registry();
  private readonly now: () => number;
  private readonly log: (message: string) => void;
  private readonly server: MetricsServer;
  private readonly stopListening: () => void;
  private readonly lost = this.registry.counter({
    name: "hubble_lost_events_total",
    help: "Number of lost events",
    labels: ["source"],
  });
  private metrics: FlowMetrics | undefined;
  private told = "";
  private openMetrics = false;
  private readonly leaving = new Set<NodeJS.Timeout>();

  /** `now` gives milliseconds since the epoch. */
  constructor({ ring, now, log }: { ring: FlowRing; now: () => number; log: (message: string) => void }) {
    this.now = now;
    this.log = log;
    const requests = this.registry.counter({
      name: "hubble_metrics_http_handler_requests_total",
      help: "Requests for these metrics by status",
      labels: ["code"],
    });
    const durations = this.registry.histogram({
      name: "hubble_metrics_http_handler_request_duration_seconds",
      help: "How long requests for these metrics took, in seconds",
      labels: ["code"],
    });
    this.server = new MetricsServer({
      registry: this.registry,
      openMetrics: () => this.openMetrics,
      answered: (status, seconds) => {
        requests.of(String(status)).inc();
        durations.of(String(status)).observe(seconds);
      },
      log,
    });
    this.lost.of(sourceLabel(LostEventSource.PERF_EVENT_RING_BUFFER));
    this.stopListening = ring.onAppend(() => this.take(ring));
  }

  /** The port that is listened on, 0 = none. */
  get port(): number {
    return this.server.port;
  }

  /** A list that changed counts from zero. Throws with what to write instead; then what was before goes on. */
  async configure({ list, address, openMetrics, certificate }: FlowMetricsSettings): Promise<void> {
    const wanted = address === undefined ? "" : list;
    if (wanted !== this.told) this.count(wanted);
    this.openMetrics = openMetrics;
    await this.server.listen(address, certificate);
  }

  /** The pod is gone: a minute later its series are too. */
  forgetPod(namespace: string, name: string): void {
    const timer = setTimeout(() => {
      this.leaving.delete(timer);
      this.metrics?.forgetPod(namespace, name);
    }, GRACE_MS).unref();
    this.leaving.add(timer);
  }

  close(): void {
    this.stopListening();
    for (const timer of this.leaving) clearTimeout(timer);
    this.server.close();
  }

  private count(list: string): void {
    checkMetricsList(list);
    this.metrics?.close();
    this.metrics = createFlowMetrics({ registry: this.registry, list, now: () => this.now() / 1000 });
    this.told = list;
    for (const warning of this.metrics.warnings) this.log(`hubble-metrics: ${warning}`);
  }

  private take(ring: FlowRing): void {
    const entry = ring.read(ring.next - 1);
    if (entry?.kind === "flow") this.metrics?.process(entry.flow);
    else if (entry?.kind === "lost") this.lost.of(sourceLabel(entry.lost.source)).inc(Number(entry.lost.numEventsLost));
  }
}
