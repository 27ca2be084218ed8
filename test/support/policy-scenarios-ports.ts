import type { Random } from "./policy-scenarios-random.ts";
import { HOST_NAMES } from "./policy-scenarios-world.ts";

/** Random `toPorts` and `icmps` of a Cilium policy's element. */

export interface PortsKind {
  readonly isNode: boolean;
  readonly isClusterwide: boolean;
}

const PORTS = ["0", "80", "81", "443", "8080", "53", "web", "dns", "80", "443", "WEB", "010", "alt", "nosuch"];
const RANGES: readonly object[] = [
  { port: "80", endPort: 90, protocol: "TCP" },
  { port: "79", endPort: 81 },
  { port: "1", endPort: 65535, protocol: "TCP" },
  { port: "8000", endPort: 9000, protocol: "UDP" },
  { port: "86", endPort: 80, protocol: "TCP" },
  { port: "81", endPort: 444, protocol: "ANY" },
  // Cilium keeps one last port for a name, of the rule that it meets first: this name is always a range.
  { port: "ranged", endPort: 8085, protocol: "TCP" },
];

function port(random: Random): object {
  if (random.percent(30)) return random.pick(RANGES);
  const protocol = random.pick(["TCP", "TCP", "UDP", "SCTP", "ANY", "udp", undefined]);
  return { port: random.pick(PORTS), ...(protocol === undefined ? {} : { protocol }) };
}

export function plainPorts(random: Random): object {
  return random.one<object>([
    [20, () => ({ ports: random.list(1, 3, () => port(random)) })],
    [1, () => ({})],
    [1, () => ({ ports: [] })],
  ]);
}

const HTTP_PORTS: readonly object[] = [
  { port: "80", protocol: "TCP" },
  { port: "80", protocol: "TCP" },
  { port: "8080", protocol: "TCP" },
  { port: "80", endPort: 85, protocol: "TCP" },
  { port: "web", protocol: "TCP" },
  { port: "443", protocol: "TCP" },
];
const HEADER_MATCHES: readonly object[] = [
  { name: "X-A", value: "1" },
  { name: "X-B" },
  { name: "X-A", value: "2", mismatch: "LOG" },
  { name: "X-A", value: "1", mismatch: "ADD" },
  { name: "X-B", value: "1", mismatch: "DELETE" },
  { name: "X-A", value: "1", mismatch: "REPLACE" },
  { name: "X-A", secret: { namespace: "ns1", name: "token" } },
  { name: "X-A", value: "1", secret: { namespace: "ns1", name: "nosuch" } },
];

function httpRule(random: Random): object {
  return {
    ...(random.percent(50) ? { method: random.pick(["GET", "POST", "GET|POST"]) } : {}),
    ...(random.percent(60) ? { path: random.pick(["/a", "/b.*", "/v1/[a-z]+", "/a|/ax", "/"]) } : {}),
    ...(random.percent(12) ? { host: random.pick(["api.example.com", ".*\\.example\\.com"]) } : {}),
    ...(random.percent(10) ? { headers: random.pick([["X-A: 1"], ["X-B"], ["X-A: 1", "X-B"]]) } : {}),
    ...(random.percent(8) ? { headerMatches: [random.pick(HEADER_MATCHES)] } : {}),
  };
}

function httpPorts(random: Random): object {
  return {
    ports: random.list(1, 2, () => random.pick(HTTP_PORTS)),
    rules: { http: random.list(random.percent(95) ? 1 : 0, 2, () => httpRule(random)) },
  };
}

function dnsRule(random: Random): object {
  return random.one<object>([
    [3, () => ({ matchName: random.pick(HOST_NAMES) })],
    [3, () => ({ matchPattern: random.pick(["*.example.com", "**.example.com", "*", "db.*"]) })],
    [0.5, () => ({ matchName: "db.internal", matchPattern: "*.example.com" })],
  ]);
}

function dnsPorts(random: Random): object {
  return {
    ports: [random.pick([{ port: "53", protocol: "UDP" }, { port: "53", protocol: "ANY" }, { port: "53" }])],
    rules: { dns: random.list(1, 2, () => dnsRule(random)) },
  };
}

function tlsPorts(random: Random): object {
  return {
    ports: [
      random.pick([
        { port: "443", protocol: "TCP" },
        { port: "80", endPort: 444, protocol: "TCP" },
      ]),
    ],
    serverNames: random.list(1, 2, () => random.pick([...HOST_NAMES, "*.example.com", "**.example.com"])),
  };
}

function tlsContext(random: Random, name: string): object {
  return {
    secret: { namespace: random.pick(["ns1", "ns2"]), name },
    ...(random.percent(20) ? { trustedCA: "ca" } : {}),
  };
}

/** TLS that the proxy ends, or begins, or both, so that it can read the requests in it. */
function interceptedPorts(random: Random): object {
  const kind = random.pick(["terminating", "originating", "both"]);
  return {
    ports: [{ port: random.pick(["443", "443", "80"]), protocol: "TCP" }],
    ...(kind === "originating" ? {} : { terminatingTLS: tlsContext(random, random.pick(["cert", "cert", "cert2"])) }),
    ...(kind === "terminating" ? {} : { originatingTLS: tlsContext(random, "authorities") }),
    ...(random.percent(60) ? { rules: { http: [httpRule(random)] } } : {}),
    ...(random.percent(30) && kind !== "originating" ? { serverNames: [random.pick(HOST_NAMES)] } : {}),
  };
}

function listenerPorts(random: Random, isClusterwide: boolean): object {
  const kind = isClusterwide || random.percent(50) ? "CiliumClusterwideEnvoyConfig" : "CiliumEnvoyConfig";
  return {
    ports: [{ port: random.pick(["80", "443"]), protocol: "TCP" }],
    listener: {
      envoyConfig: { kind, name: "config" },
      name: random.pick(["one", "one", "two"]),
      ...(random.percent(50) ? { priority: random.pick([1, 50, 100]) } : {}),
    },
  };
}

/** One `toPorts` element; HTTP and SNI in both directions, DNS on egress only; none of them for the host. */
export function ports(random: Random, isEgress: boolean, { isNode, isClusterwide }: PortsKind): object {
  return random.one<object>([
    [10, () => plainPorts(random)],
    [isNode ? 0 : 16, () => httpPorts(random)],
    [isNode ? 0 : 3, () => tlsPorts(random)],
    [isEgress ? 7 : 0, () => dnsPorts(random)],
    [isNode ? 0 : 1, () => interceptedPorts(random)],
    [isEgress && !isNode ? 1 : 0, () => listenerPorts(random, isClusterwide)],
  ]);
}

export function icmps(random: Random): object[] {
  const field = (): object =>
    random.one<object>([
      [6, () => ({ type: random.pick([8, 3, 0, "EchoRequest", 11]) })],
      [1, () => ({ family: "IPv4", type: 8 })],
      [2, () => ({ family: "IPv6", type: random.pick([128, 135, "EchoRequest"]) })],
    ]);
  return [{ fields: random.list(0, 2, field) }];
}
