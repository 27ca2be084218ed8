export { addBpfMetrics, mapCallMetrics } from "./bpf.ts";
export { addEnvoyMetrics } from "./envoy.ts";
export { exposition } from "./exposition.ts";
export type { Family } from "./family.ts";
export { countedLogs } from "./log.ts";
export { addProcessMetrics } from "./process.ts";
export { type Metric, Registry } from "./registry.ts";
export type { Counter, Exemplar, Gauge, Histogram } from "./series.ts";
export { type CertificateSource, type ListenAddress, MetricsServer, parseListenAddress } from "./server.ts";
