import { DEFAULT_REDACTION, type Redaction } from "../flow/index.ts";
import type { HistoryLimits } from "../history/index.ts";
import { ConfigMaps } from "../kube/resources.ts";
import { type ListenAddress, parseListenAddress } from "../metrics/index.ts";
import { DEFAULT_DNS_SETTINGS, type DnsSettings } from "../model/dns-settings.ts";
import { DEFAULT_LIMITS, type FqdnLimits } from "../policy/fqdn/fqdn-cache.ts";
import { DnsCode } from "../wire/dns.ts";
import type { Informer, KubeObject } from "./kube.ts";
import type { OpenInformer } from "./kube-inputs.ts";

const NAMESPACE = "kube-system";
const NAME = "cilium-config";

type Data = Readonly<Record<string, string>>;

/** What the ConfigMap `cilium-config` says of flows and of DNS names; names and meanings are Cilium's, and `hubble-history-*` ours. */
export interface HubbleSettings {
  readonly redaction: Redaction;
  /** Flows that the ring holds. Undefined = as the agent was started with. */
  readonly eventBufferCapacity: number | undefined;
  readonly history: HistoryLimits;
  readonly metrics: MetricsSettings;
  /** The keys of the export to files, as they are written. */
  readonly exported: Data;
  readonly names: FqdnLimits;
  /** For the proxy. */
  readonly dns: DnsSettings;
}

/** What is counted and where it is read. */
export interface MetricsSettings {
  /** Of flows: handlers with their options, as the list of Cilium. */
  readonly list: string;
  /** Undefined = flows are not counted. */
  readonly address: ListenAddress | undefined;
  readonly openMetrics: boolean;
  /** Files by which what is counted of flows is served by TLS; undefined = in clear. */
  readonly tls: MetricsTls | undefined;
  /** Of the agent itself; undefined = nobody can read it. */
  readonly agentAddress: ListenAddress | undefined;
}

/** Paths of PEM files, as the agent sees them. */
export interface MetricsTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of readers; empty = everybody is answered. */
  readonly clientCas: readonly string[];
}

export const DEFAULT_SETTINGS: HubbleSettings = {
  redaction: DEFAULT_REDACTION,
  eventBufferCapacity: undefined,
  history: { maxBytes: 1 << 30, maxAgeMs: 24 * 3_600_000 },
  metrics: { list: "", address: undefined, openMetrics: false, tls: undefined, agentAddress: undefined },
  exported: {},
  names: DEFAULT_LIMITS,
  dns: DEFAULT_DNS_SETTINGS,
};

const EXPORT_KEYS = [
  "hubble-export-file-path",
  "hubble-export-file-max-size-mb",
  "hubble-export-file-max-backups",
  "hubble-export-file-compress",
  "hubble-export-allowlist",
  "hubble-export-denylist",
  "hubble-export-fieldmask",
  "hubble-export-fieldaggregate",
  "hubble-export-aggregation-interval",
];

const REJECT_KEY = "tofqdns-dns-reject-response-code";
const DELAY_KEY = "tofqdns-proxy-response-max-delay";

const KEYS: ReadonlySet<string> = new Set([
  ...EXPORT_KEYS,
  "hubble-redact-enabled",
  "hubble-redact-http-urlquery",
  "hubble-redact-http-userinfo",
  "hubble-redact-http-headers-allow",
  "hubble-redact-http-headers-deny",
  "hubble-event-buffer-capacity",
  "hubble-history-max-bytes",
  "hubble-history-max-age",
  "hubble-metrics",
  "hubble-metrics-server",
  "hubble-metrics-server-enable-tls",
  "hubble-metrics-server-tls-cert-file",
  "hubble-metrics-server-tls-key-file",
  "hubble-metrics-server-tls-client-ca-files",
  "enable-hubble-open-metrics",
  "prometheus-serve-addr",
  "tofqdns-min-ttl",
  "tofqdns-endpoint-max-ip-per-hostname",
  "tofqdns-max-deferred-connection-deletes",
  "tofqdns-idle-connection-grace-period",
  REJECT_KEY,
  DELAY_KEY,
]);

/** Keys that nobody here reads, such as Cilium's others: whoever writes one must hear that it does nothing. */
export function keysWithoutEffect(data: Data): string[] {
  return Object.keys(data)
    .filter((key) => !KEYS.has(key))
    .sort();
}

function flag(data: Data, key: string, otherwise: boolean): boolean {
  const text = data[key]?.trim();
  if (text === undefined || text === "") return otherwise;
  if (text === "true" || text === "false") return text === "true";
  throw new Error(`${key}: ${JSON.stringify(text)}: write true or false`);
}

/** Names with commas or white space between them; undefined when the key is not there. */
function names(data: Data, key: string): ReadonlySet<string> | undefined {
  const text = data[key];
  if (text === undefined) return undefined;
  const listed = text.split(/[\s,]+/).filter((name) => name !== "");
  return new Set(listed.map((name) => name.toLowerCase()));
}

function redactionOf(data: Data): Redaction {
  const allow = names(data, "hubble-redact-http-headers-allow");
  const deny = names(data, "hubble-redact-http-headers-deny");
  if ((allow?.size ?? 0) > 0 && (deny?.size ?? 0) > 0) {
    throw new Error(
      "hubble-redact-http-headers-allow and hubble-redact-http-headers-deny: use one of the two, not both",
    );
  }
  const isOwn = allow !== undefined || (deny?.size ?? 0) > 0;
  return {
    enabled: flag(data, "hubble-redact-enabled", true),
    urlQuery: flag(data, "hubble-redact-http-urlquery", true),
    userInfo: flag(data, "hubble-redact-http-userinfo", true),
    headersAllow: isOwn ? (allow ?? new Set()) : DEFAULT_REDACTION.headersAllow,
    headersDeny: deny ?? new Set(),
  };
}

function capacityOf(data: Data): number | undefined {
  const key = "hubble-event-buffer-capacity";
  const text = data[key]?.trim();
  if (text === undefined || text === "") return undefined;
  const capacity = Number(text);
  if (/^\d+$/.test(text) && capacity >= 1 && capacity <= 65535 && ((capacity + 1) & capacity) === 0) return capacity;
  throw new Error(`${key}: ${JSON.stringify(text)}: write one less than a power of two, from 1 to 65535`);
}

const SIZE = /^(\d+)(Ki|Mi|Gi|Ti)?$/;
const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const AGE = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Milliseconds. */
function durationOf(data: Data, key: string, otherwise: string): number {
  const text = data[key]?.trim() || otherwise;
  const parts = AGE.exec(text)?.slice(1);
  if (parts === undefined) throw new Error(`${key}: ${JSON.stringify(text)}: write it like 24h, 90m or 100ms`);
  const [hours = 0, minutes = 0, seconds = 0, ms = 0] = parts.map((part) => Number(part ?? 0));
  return (hours * 3600 + minutes * 60 + seconds) * 1000 + ms;
}

function namesOf(data: Data): FqdnLimits {
  const number = (key: string, otherwise: number) => {
    const text = data[key]?.trim() || String(otherwise);
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new Error(`${key}: ${JSON.stringify(text)}: write a number that is not below 0`);
  };
  const { minTtl, maxAddressesPerName, maxDeferredDeletes } = DEFAULT_LIMITS;
  return {
    ...DEFAULT_LIMITS,
    minTtl: number("tofqdns-min-ttl", minTtl),
    maxAddressesPerName: number("tofqdns-endpoint-max-ip-per-hostname", maxAddressesPerName),
    maxDeferredDeletes: number("tofqdns-max-deferred-connection-deletes", maxDeferredDeletes),
    idleGraceMs: durationOf(data, "tofqdns-idle-connection-grace-period", "0s"),
  };
}

/** In lower case, as Cilium reads them. */
const REJECT_CODES: Readonly<Record<string, number>> = { refused: DnsCode.Refused, nameerror: DnsCode.NXDomain };
/** No resolver waits for its answer as long. */
const MOST_DELAY_MS = 60_000;

function dnsOf(data: Data): DnsSettings {
  const text = data[REJECT_KEY]?.trim() || "refused";
  const rejectCode = REJECT_CODES[text.toLowerCase()];
  if (rejectCode === undefined) throw new Error(`${REJECT_KEY}: ${JSON.stringify(text)}: write refused or nameError`);
  const maxDelayMs = durationOf(data, DELAY_KEY, `${DEFAULT_DNS_SETTINGS.maxDelayMs}ms`);
  if (maxDelayMs > MOST_DELAY_MS) throw new Error(`${DELAY_KEY}: ${data[DELAY_KEY]}: write 1m or less`);
  return { rejectCode, maxDelayMs };
}

function historyOf(data: Data): HistoryLimits {
  const { history } = DEFAULT_SETTINGS;
  const size = data["hubble-history-max-bytes"]?.trim() || String(history.maxBytes);
  const [, number, unit = ""] = SIZE.exec(size) ?? [];
  if (number === undefined)
    throw new Error(`hubble-history-max-bytes: ${JSON.stringify(size)}: write it like 1Gi; 0 keeps nothing`);
  return {
    maxBytes: Number(number) * (UNITS[unit] ?? 1),
    maxAgeMs: durationOf(data, "hubble-history-max-age", `${history.maxAgeMs / 3_600_000}h`),
  };
}

function address(data: Data, key: string): ListenAddress | undefined {
  try {
    return parseListenAddress(data[key]?.trim() ?? "");
  } catch (error) {
    throw new Error(`${key}: ${(error as Error).message}`);
  }
}

function metricsTlsOf(data: Data): MetricsTls | undefined {
  const prefix = "hubble-metrics-server";
  if (!flag(data, `${prefix}-enable-tls`, false)) return undefined;
  const file = (name: string) => {
    const path = data[`${prefix}-tls-${name}-file`]?.trim() ?? "";
    if (path === "") throw new Error(`${prefix}-tls-${name}-file: ${prefix}-enable-tls needs the path of a PEM file`);
    return path;
  };
  const clientCas = (data[`${prefix}-tls-client-ca-files`] ?? "").split(/[\s,]+/).filter((path) => path !== "");
  return { cert: file("cert"), key: file("key"), clientCas };
}

function metricsOf(data: Data): MetricsSettings {
  return {
    list: data["hubble-metrics"] ?? "",
    address: address(data, "hubble-metrics-server"),
    openMetrics: flag(data, "enable-hubble-open-metrics", false),
    tls: metricsTlsOf(data),
    agentAddress: address(data, "prometheus-serve-addr"),
  };
}

/** Reads the ConfigMap's data. Throws with the key and what to write instead. */
export function parseHubbleSettings(data: Data): HubbleSettings {
  return {
    redaction: redactionOf(data),
    eventBufferCapacity: capacityOf(data),
    history: historyOf(data),
    metrics: metricsOf(data),
    exported: Object.fromEntries(Object.entries(data).filter(([key]) => EXPORT_KEYS.includes(key))),
    names: namesOf(data),
    dns: dnsOf(data),
  };
}

/** The settings as they are now. */
export interface FollowedSettings {
  readonly current: HubbleSettings;
  stop(): void;
}

/** What is done with the settings. */
export interface SettingsHandler {
  /** Throws what is wrong with settings that cannot be followed. */
  check(settings: HubbleSettings): void;
  changed(settings: HubbleSettings): void;
}

/**
 * Follows `cilium-config`: a change holds from the next flow on, without a restart. Until it is known, and when it is gone, the
 * defaults hold, which hide every secret; what is invalid changes nothing and is told.
 */
export function followHubbleSettings(
  open: OpenInformer,
  { check, changed }: SettingsHandler,
  log: (message: string) => void,
): FollowedSettings {
  const informer: Informer = open(ConfigMaps, { namespace: NAMESPACE, fieldSelector: `metadata.name=${NAME}` });
  let current = DEFAULT_SETTINGS;
  let told = "";
  const take = (object: KubeObject | undefined) => {
    if (object !== undefined && object.metadata.name !== NAME) return;
    const data = (object as { readonly data?: Data } | undefined)?.data ?? {};
    const idle = keysWithoutEffect(data).join(", ");
    if (idle !== "" && idle !== told) log(`ConfigMap ${NAMESPACE}/${NAME}: without effect here: ${idle}`);
    told = idle;
    try {
      const read = parseHubbleSettings(data);
      check(read);
      current = read;
    } catch (error) {
      log(`ConfigMap ${NAMESPACE}/${NAME} is not taken, what was before stays: ${(error as Error).message}`);
      return;
    }
    changed(current);
  };
  informer.on({ onAdd: take, onUpdate: (_, object) => take(object), onDelete: () => take(undefined) });
  void informer.start();
  return {
    get current() {
      return current;
    },
    stop: () => informer.stop(),
  };
}
