export { FlowExporter } from "./export/exporter.ts";
export { parseExportSettings } from "./export/settings.ts";
export { checkMetricsList } from "./metrics/flow-metrics.ts";
export { FlowMetricsServer } from "./metrics/server.ts";
export { createObserver, type Observer, type ObserverOptions } from "./observer.ts";
export type { PeerNode, PeerSource } from "./peer.ts";
export { type PeerMemory, PeerServiceSource } from "./peer-client.ts";
export { createRelay, type Relay, type RelayOptions } from "./relay.ts";
export { observerDomain, observerServerName, type TlsIdentity, type TlsSource } from "./tls.ts";
