import { TIME_FORMATS, TRACE_POINT_NAMES } from "../../flow/print/index.ts";
import type { FlagSpec } from "../cobra/flags.ts";
import { IDENTITY_NAMES } from "./filter-values.ts";
import type { FlowFilters } from "./filters.ts";

type Extra = Partial<Omit<FlagSpec, "name" | "kind" | "help">>;

const flag =
  (kind: FlagSpec["kind"]) =>
  (name: string, help: string, extra: Extra = {}): FlagSpec => ({ name, kind, help, ...extra });
const text = flag("string");
const bool = flag("bool");
const uint = flag("uint");
const filter = flag("filter");

/** Options of every command. */
export const globalFlags = (configFile: string): readonly FlagSpec[] => [
  text("config", "Optional config file", { default: configFile }),
  bool("debug", "Enable debug messages", { short: "D" }),
];

const FORWARDING = "Only with --port-forward, which the lab does not have";

/** How to reach a server. */
export const SERVER_FLAGS: readonly FlagSpec[] = [
  text("server", "Address of a Hubble server; not used with --input-file", { default: "localhost:4245" }),
  flag("duration")("timeout", "How long connecting to the server may take", { default: "5s" }),
  flag("duration")("request-timeout", "How long one question may take; flows and other streams are not limited", {
    default: "12s",
  }),
  bool("tls", "Use TLS; it is also used when the address begins with 'tls://'"),
  bool(
    "tls-allow-insecure",
    "Take any certificate of the server.\nSomebody in between can then read and change everything; see also --tls-server-name.",
  ),
  flag("strings")("tls-ca-cert-files", "PEM files of the authorities that may have signed the server's certificate"),
  text("tls-client-cert-file", "PEM file of the client's certificate; needs TLS and the key"),
  text("tls-client-key-file", "PEM file of the client's private key; needs TLS and the certificate"),
  text("tls-server-name", "Name that the server's certificate must be for (e.g. 'instance.hubble-relay.cilium.io')"),
  text("basic-auth-username", "Name for basic authentication; needs TLS and the password"),
  text("basic-auth-password", "Password for basic authentication; needs TLS and the name"),
  bool("port-forward", "Reach the relay through Kubernetes; refused: the lab's relay listens on this machine", {
    short: "P",
  }),
  flag("uint16")("port-forward-port", FORWARDING, { default: "4245" }),
  text("kube-context", FORWARDING),
  text("kube-namespace", FORWARDING, { default: "kube-system" }),
  text("kubeconfig", FORWARDING),
];

const timeHelp = (what: string) => `${what}: so long ago (e.g. 3s, 1h43m) or a time in one of the forms
  YearMonthDay:           2006-01-02
  YearMonthDayHour:       2006-01-02T15-07:00
  YearMonthDayHourMinute: 2006-01-02T15:04-07:00
  RFC3339:                2006-01-02T15:04:05-07:00, also with parts of a second
  RFC1123Z:               Mon, 02 Jan 2006 15:04:05 -0700`;
const PER_NODE = "; a relay gives as many of each node";

export const SELECTOR_FLAGS: readonly FlagSpec[] = [
  bool("all", "Get all flows stored in Hubble's buffer; better with filters, they may be many"),
  uint("last", `Get last N flows stored in Hubble's buffer (default 20)${PER_NODE}`),
  uint("first", `Get first N flows stored in Hubble's buffer${PER_NODE}`),
  bool("follow", "Follow flows output", { short: "f" }),
  text("since", timeHelp("Only what happened since")),
  text("until", timeHelp("Only what happened until")),
];

export const FORMATTING_FLAGS: readonly FlagSpec[] = [
  text(
    "output",
    `Specify the output format, one of:
  compact:  One line for each
  dict:     Each is shown as KEY:VALUE pairs
  jsonpb:   The server's answers as JSON
  json:     Alias for jsonpb
  table:    Tab-aligned columns`,
    { short: "o", default: "compact", words: ["compact", "dict", "json", "jsonpb", "table"] },
  ),
  bool("print-node-name", "Print node name in output"),
  bool("print-policy-names", "Print the names of the policies that decided"),
  text("time-format", `How times are printed, other than in JSON; one of ${Object.keys(TIME_FORMATS).join(", ")}`, {
    default: "StampMilli",
    words: Object.keys(TIME_FORMATS),
  }),
];

export const FLOW_FORMAT_FLAGS: readonly FlagSpec[] = [
  text("color", "Colors in the formats compact and dict: 'auto' (on a terminal), 'always' or 'never'", {
    default: "auto",
    words: ["auto", "always", "never"],
  }),
  bool("ip-translation", "Names of pods, services and domains in place of addresses", { default: "true" }),
  bool("numeric", "Display all information in numeric form"),
];

export const OTHER_FLAGS: readonly FlagSpec[] = [
  text("input-file", "Query flows from this file of JSON lines instead of a server; '-' is standard input"),
  bool("print-raw-filters", "Print the filters as YAML and exit"),
  bool("silent-errors", "Silently ignores errors and warnings", { short: "s" }),
  flag("strings")("field-mask", "Fields of flows to ask for, the others stay empty; JSON output only"),
  bool("use-default-field-masks", "Ask only for the fields that the formats compact, tab and dict show", {
    default: "true",
  }),
];

export const RAW_FILTER_FLAGS: readonly FlagSpec[] = [
  flag("stringArray")("allowlist", "Show only flows which match any of these filters, JSON FlowFilter objects"),
  flag("stringArray")("denylist", "Show no flows which match any of these filters, JSON FlowFilter objects"),
];

/** A flag for either end, for the source, and for the destination. */
function sided(name: string, what: string, extra: Extra = {}): FlagSpec[] {
  const { short, ...rest } = extra;
  return [
    filter(name, `Show all flows related to ${what}`, { ...rest, ...(short !== undefined && { short }) }),
    filter(`from-${name}`, `Show all flows originating at ${what}`, rest),
    filter(`to-${name}`, `Show all flows terminating at ${what}`, rest),
  ];
}

const TYPES = ["capture", "drop", "l7", "policy-verdict", "trace", "trace-sock"];
const TYPE_WORDS = TYPES.flatMap((type) =>
  type === "trace" ? [type, ...TRACE_POINT_NAMES.map((point) => `trace:${point}`)] : [type],
);
const VERDICTS = ["FORWARDED", "DROPPED", "AUDIT", "REDIRECTED", "ERROR", "TRACED", "TRANSLATED"];
const PROTOCOLS = ["icmp", "icmpv4", "icmpv6", "sctp", "tcp", "udp", "vrrp", "igmp", "dns", "http"];
const METHODS = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
const YES = { bare: "true" } as const;

const FILTERS: readonly FlagSpec[] = [
  filter("not", "Reverses the next filter to be a blacklist i.e. --not --from-ip 2.2.2.2", YES),
  filter("uuid", "Show the only flow matching this unique flow identifier"),
  filter("node-name", 'Show all flows which match the given node names (e.g. "k8s*", "test-cluster/*.company.com")'),
  filter("node-label", "Show only flows observed on nodes matching the given label selector"),
  ...sided("cluster", "the given cluster name"),
  filter("protocol", 'Show only flows which match the given L4/L7 flow protocol (e.g. "udp", "http")', {
    words: PROTOCOLS,
  }),
  filter("tcp-flags", 'Show only flows which match the given TCP flags (e.g. "syn", "syn,ack")'),
  filter(
    "type",
    `Filter by event types TYPE[:SUBTYPE]: ${TYPES.join(", ")};\nsub-types of trace are ${TRACE_POINT_NAMES.join(", ")}`,
    { short: "t", words: TYPE_WORDS },
  ),
  filter("verdict", `Show only flows with this verdict: ${VERDICTS.join(", ")}`, { words: VERDICTS }),
  filter("drop-reason-desc", 'Show only flows which match this drop reason (e.g. "POLICY_DENIED")'),
  filter("http-status", 'Show only flows which match this HTTP status code prefix (e.g. "404", "5+")'),
  filter("http-method", 'Show only flows which match this HTTP method (e.g. "get", "post")', { words: METHODS }),
  filter("http-path", "Show only flows which match this HTTP path regular expression"),
  filter("http-url", "Show only flows which match this HTTP URL regular expression"),
  filter("http-header", "Show only flows which match this HTTP header key:value pair"),
  filter("trace-id", "Show only flows which match this trace ID"),
  filter("ip-trace-id", "Show only flows which match this IP trace ID"),
  ...sided("fqdn", 'the given fully qualified domain name (e.g. "*.cilium.io")'),
  ...sided("ip", "the given IP address or CIDR"),
  filter("snat-ip", "Show all flows SNATed with the given IP address or CIDR"),
  filter("ipv4", "Show only IPv4 flows", { short: "4", bare: "v4" }),
  filter("ipv6", "Show only IPv6 flows", { short: "6", bare: "v6" }),
  filter("ip-version", "Show only IPv4, IPv6 flows or non IP flows (e.g. ARP packets): none, v4, v6", {
    words: ["none", "v4", "v6"],
  }),
  ...sided("pod", "the given pod name prefix ([namespace/]<pod-name>)"),
  ...sided("namespace", "the given namespace", { short: "n" }),
  filter("all-namespaces", "Show flows from all Kubernetes namespaces", { short: "A", ...YES }),
  filter("from-all-namespaces", "Show flows originating in any Kubernetes namespace", YES),
  filter("to-all-namespaces", "Show flows terminating in any Kubernetes namespace", YES),
  ...sided("label", 'an endpoint with the given labels (e.g. "key1=value1", "reserved:world")', { short: "l" }),
  ...sided("service", "the given service name prefix ([namespace/]<svc-name>)"),
  ...sided("port", "the given port"),
  ...sided("workload", "the given workload ([kind/]name)"),
  ...sided("identity", "an endpoint with the given security identity", { words: IDENTITY_NAMES }),
  filter("traffic-direction", "Show all flows in the given traffic direction: ingress or egress", {
    words: ["ingress", "egress"],
  }),
  filter("cel-expression", "Show only flows for which the given CEL expression is true"),
  filter("interface", "Show all flows observed at the given interface name"),
  filter("encrypted", "Show only flows that are encrypted", YES),
  filter("unencrypted", "Show only flows that are not encrypted", YES),
  filter("reply", "Show only replies", YES),
  filter("not-reply", "Show only flows that are no replies", YES),
];

/** The flags that are filters; each goes into `filters` as it is parsed. */
export function filterFlags(filters: FlowFilters): FlagSpec[] {
  return FILTERS.map((spec) => ({ ...spec, set: (value: string) => filters.add(spec.name, value) }));
}
