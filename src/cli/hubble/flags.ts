import type { FlagSpec } from "../cobra/flags.ts";

const text = (name: string, help: string, short?: string): FlagSpec => ({
  name,
  kind: "string",
  help,
  ...(short && { short }),
});
const bool = (name: string, help: string, short?: string): FlagSpec => ({
  name,
  kind: "bool",
  help,
  ...(short && { short }),
});
const uint = (name: string, help: string): FlagSpec => ({ name, kind: "uint", help });

/** A filter for either end, for the source, and for the destination. */
function sided(name: string, what: string, short?: string): FlagSpec[] {
  return [
    text(name, `Show all flows related to ${what}`, short),
    text(`from-${name}`, `Show all flows originating at ${what}`),
    text(`to-${name}`, `Show all flows terminating at ${what}`),
  ];
}

export const SERVER_FLAGS: readonly FlagSpec[] = [
  text("server", "Address of a Hubble server (default $HUBBLE_SERVER or 127.0.0.1:4245)"),
  text("timeout", "Hubble server dialing timeout (default 5s)"),
  text("request-timeout", "Unary Request timeout (default 12s)"),
];

export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  bool("debug", "Enable debug messages", "D"),
  bool("help", "Show help", "h"),
];

export const SELECTOR_FLAGS: readonly FlagSpec[] = [
  bool("all", "Get all flows stored in Hubble's buffer"),
  uint("last", "Get last N flows stored in Hubble's buffer (default 20)"),
  uint("first", "Get first N flows stored in Hubble's buffer"),
  bool("follow", "Follow flows output", "f"),
  text("since", "Filter flows since a specific date (relative, RFC3339 or YYYY-MM-DD)"),
  text("until", "Filter flows until a specific date (relative, RFC3339 or YYYY-MM-DD)"),
];

export const FORMAT_FLAGS: readonly FlagSpec[] = [
  text("output", "compact, dict, json, jsonpb, table (tab)", "o"),
  bool("print-node-name", "Print node name in output"),
  bool("print-policy-names", "Print the names of the policies that decided"),
  text(
    "time-format",
    "StampMilli, YearMonthDay, YearMonthDayHour, YearMonthDayHourMinute, RFC3339, RFC3339Milli, RFC3339Micro, RFC3339Nano, RFC1123Z",
  ),
  text("color", "auto, always or never"),
  bool("ip-translation", "Translate IP addresses to logical names (default true)"),
  bool("numeric", "Display all information in numeric form"),
  text("field-mask", "Comma-separated fields to ask for; JSON output only"),
  text("input-file", "Query flows from this file of JSON lines instead of a server; - is standard input"),
  bool("print-raw-filters", "Print the filters as YAML and exit"),
  bool("silent-errors", "Silently ignores errors and warnings", "s"),
];

export const FILTER_FLAGS: readonly FlagSpec[] = [
  bool("not", "Reverses the next filter to be a blacklist i.e. --not --from-ip 2.2.2.2"),
  text("uuid", "Show the only flow matching this unique flow identifier"),
  text("node-name", 'Show all flows which match the given node names (e.g. "k8s*", "test-cluster/*.company.com")'),
  text("node-label", "Show only flows observed on nodes matching the given label selector"),
  ...sided("cluster", "the given cluster name"),
  text("protocol", 'Show only flows which match the given L4/L7 flow protocol (e.g. "udp", "http")'),
  text("tcp-flags", 'Show only flows which match the given TCP flags (e.g. "syn", "ack", "fin")'),
  text(
    "type",
    "Filter by event types TYPE[:SUBTYPE]: drop, debug, capture, trace, l7, agent, policy-verdict, trace-sock",
    "t",
  ),
  text(
    "verdict",
    "Show only flows with this verdict: FORWARDED, DROPPED, AUDIT, REDIRECTED, ERROR, TRACED, TRANSLATED",
  ),
  text("drop-reason-desc", 'Show only flows which match this drop reason (e.g. "POLICY_DENIED")'),
  text("http-status", 'Show only flows which match this HTTP status code prefix (e.g. "404", "5+")'),
  text("http-method", 'Show only flows which match this HTTP method (e.g. "get", "post")'),
  text("http-path", "Show only flows which match this HTTP path regular expression"),
  text("http-url", "Show only flows which match this HTTP URL regular expression"),
  text("http-header", "Show only flows which match this HTTP header key:value pair"),
  text("trace-id", "Show only flows which match this trace ID"),
  ...sided("fqdn", 'the given fully qualified domain name (e.g. "*.cilium.io")'),
  ...sided("ip", "the given IP address or CIDR"),
  text("snat-ip", "Show all flows SNATed with the given IP address or CIDR"),
  bool("ipv4", "Show only IPv4 flows", "4"),
  bool("ipv6", "Show only IPv6 flows", "6"),
  text("ip-version", "Show only IPv4, IPv6 flows or non IP flows (e.g. ARP packets): none, v4, v6"),
  ...sided("pod", "the given pod name prefix ([namespace/]<pod-name>)"),
  ...sided("namespace", "the given namespace", "n"),
  bool("all-namespaces", "Show flows from all Kubernetes namespaces", "A"),
  bool("from-all-namespaces", "Show flows originating in any Kubernetes namespace"),
  bool("to-all-namespaces", "Show flows terminating in any Kubernetes namespace"),
  ...sided("label", 'an endpoint with the given labels (e.g. "key1=value1", "reserved:world")', "l"),
  ...sided("service", "the given service name prefix ([namespace/]<svc-name>)"),
  ...sided("port", "the given port"),
  ...sided("workload", "the given workload ([kind/]name)"),
  ...sided("identity", "an endpoint with the given security identity"),
  text("traffic-direction", "Show all flows in the given traffic direction: ingress or egress"),
  text("interface", "Show all flows observed at the given interface name"),
  bool("encrypted", "Show only flows that are encrypted"),
  bool("unencrypted", "Show only flows that are not encrypted"),
  text("allowlist", "Show only flows which match any of these filters as JSON FlowFilter objects"),
  text("denylist", "Show no flows which match any of these filters as JSON FlowFilter objects"),
];

export const OBSERVE_FLAGS: readonly FlagSpec[] = [
  ...SELECTOR_FLAGS,
  ...FILTER_FLAGS,
  ...FORMAT_FLAGS,
  ...SERVER_FLAGS,
  ...GLOBAL_FLAGS,
];
