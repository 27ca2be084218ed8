import type { Flow } from "../../../proto/gen/flow_pb.js";
import type { Registry } from "../../metrics/index.ts";
import { type MetricConfig, parseMetricsList } from "./config.ts";
import { CONTEXT_OPTIONS, FlowLabels } from "./context.ts";
import type { Handler, HandlerContext } from "./handler.ts";
import {
  dnsHandler,
  dropHandler,
  flowHandler,
  flowsToWorldHandler,
  icmpHandler,
  policyHandler,
  portDistributionHandler,
  sctpHandler,
  tcpHandler,
} from "./handlers.ts";
import { httpHandler, httpV2Handler } from "./http.ts";

interface HandlerKind {
  readonly make: (context: HandlerContext) => Handler;
  /** Its own options, in lower case. */
  readonly options?: readonly string[];
  readonly conflict?: string;
}

/** Upstream's handlers, all of them. */
const KINDS: ReadonlyMap<string, HandlerKind> = new Map(
  Object.entries<HandlerKind>({
    dns: { make: dnsHandler, options: ["query", "ignoreaaaa"] },
    drop: { make: dropHandler },
    flow: { make: flowHandler },
    "flows-to-world": { make: flowsToWorldHandler, options: ["any-drop", "port", "syn-only"] },
    http: { make: httpHandler, options: ["exemplars"], conflict: "httpV2" },
    httpV2: { make: httpV2Handler, options: ["exemplars"], conflict: "http" },
    icmp: { make: icmpHandler },
    policy: { make: policyHandler },
    "port-distribution": { make: portDistributionHandler },
    sctp: { make: sctpHandler },
    tcp: { make: tcpHandler },
  }),
);

/** What is counted of the flows, after one `hubble-metrics` list. */
export interface FlowMetrics {
  /** What was said and means nothing; the rest of the list holds. */
  readonly warnings: readonly string[];
  process(flow: Flow): void;
  /** The pod is gone: its series are forgotten. */
  forgetPod(namespace: string, name: string): void;
  /** Takes its families out of the registry. */
  close(): void;
}

function contextOf(registry: Registry, { options }: MetricConfig, now: () => number): HandlerContext {
  // of an option that is there twice, the first holds
  const own = [...options].reverse().map(({ name, values }) => [name.toLowerCase(), values[0] ?? ""] as const);
  return { registry, labels: new FlowLabels(options), options: new Map(own), now };
}

function unknownOptions({ name, options }: MetricConfig, own: readonly string[]): string[] {
  return options
    .filter((option) => !CONTEXT_OPTIONS.has(option.name.toLowerCase()) && !own.includes(option.name.toLowerCase()))
    .map((option) => `${name}: option ${option.name} is not known and does nothing`);
}

function checkTogether(configs: readonly MetricConfig[]): void {
  const names = configs.map(({ name }) => name);
  for (const [at, name] of names.entries()) {
    const conflict = KINDS.get(name)?.conflict;
    if (conflict !== undefined && names.includes(conflict)) throw new Error(`${name} conflicts with ${conflict}`);
    if (names.indexOf(name) !== at) throw new Error(`${name} is there twice`);
  }
}

/** What a list says that means nothing. Throws with the entry and what to write instead when the list cannot hold. */
export function checkMetricsList(list: string): string[] {
  const configs = parseMetricsList(list);
  checkTogether(configs);
  return configs.flatMap((config) => {
    const kind = KINDS.get(config.name);
    if (kind === undefined) return [`${config.name}: no such metric; there are ${[...KINDS.keys()].join(", ")}`];
    try {
      new FlowLabels(config.options);
    } catch (error) {
      throw new Error(`${config.name}: ${(error as Error).message}`);
    }
    return unknownOptions(config, kind.options ?? []);
  });
}

/**
 * Puts the metrics of a `hubble-metrics` list into the registry. `now` gives seconds since the epoch. Throws as `checkMetricsList` does; then the registry is
 * as it was.
 */
export function createFlowMetrics(options: {
  readonly registry: Registry;
  readonly list: string;
  readonly now: () => number;
}): FlowMetrics {
  const { registry, list, now } = options;
  const warnings = checkMetricsList(list);
  const made = parseMetricsList(list).flatMap((config) => {
    const kind = KINDS.get(config.name);
    if (kind === undefined) return [];
    const context = contextOf(registry, config, now);
    return [{ handler: kind.make(context), labels: context.labels }];
  });
  const handlers = made.map(({ handler }) => handler);
  return {
    warnings,
    process(flow) {
      for (const handler of handlers) handler.process(flow);
    },
    forgetPod(namespace, name) {
      for (const { handler, labels } of made) {
        for (const where of labels.podLabels)
          for (const family of handler.families) family.remove(where(namespace, name));
      }
    },
    close() {
      for (const { families } of handlers) registry.remove(families);
    },
  };
}
