import { Limits } from "../model/limits.ts";
import { Protocol } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import type { Field } from "./field.ts";
import { type L7Rules, parseL7Rules } from "./parse-l7.ts";
import { parsePort } from "./parse-port.ts";
import { parseListener, parseTls } from "./parse-tls.ts";
import type { PortRule, PortSpec } from "./rule.ts";
import { serverNameProblem } from "./server-name.ts";

/** Where a `toPorts` stands, which decides what may be in it. */
export interface PortsPlace {
  readonly direction: Direction;
  readonly isDeny: boolean;
  /** The subject is the host. */
  readonly isNode: boolean;
  /** Of the policy; empty = clusterwide. */
  readonly namespace: string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads `toPorts`. In a deny rule only `ports` is allowed. */
export function parseToPorts(value: unknown, at: Field, place: PortsPlace): PortRule[] | undefined {
  if (Array.isArray(value) && value.length === 0)
    at.warn(
      "an empty list counts as absent: every port of the peers is meant, and nobody where there is no peer",
      "empty-list",
    );
  return at.list(value, (element, field) => {
    const rule = place.isDeny ? parseDenyPorts(element, field) : parsePortRule(element, field, place);
    const written = (element as { ports?: unknown } | null)?.ports;
    if (rule !== undefined && !(Array.isArray(written) && written.length > 0))
      field.warn("no ports: it matches nothing; write port 0 for every port", "matches-nothing");
    return rule;
  });
}

function parsePorts(value: unknown, at: Field): PortSpec[] {
  const ports = at.countedList(value, 0, Limits.PortsPerRule, parsePort) ?? [];
  return ports.length === 1 ? ports[0]! : ports.flat();
}

const DENY_MEND = "a deny rule has ports alone; allow what may pass in `ingress` or `egress`";
const ALLOW_FIELDS = ["rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"];

function parseDenyPorts(value: unknown, at: Field): PortRule | undefined {
  let ports: readonly PortSpec[] = [];
  const isRead = at.object(
    value,
    {
      ports: (content, field) => {
        ports = parsePorts(content, field);
      },
    },
    { refused: Object.fromEntries(ALLOW_FIELDS.map((name) => [name, DENY_MEND])) },
  );
  return isRead ? { ports } : undefined;
}

function parsePortRule(value: unknown, at: Field, place: PortsPlace): PortRule | undefined {
  const rule: Writable<PortRule> = { ports: [] };
  let rules: L7Rules = {};
  const tls = (name: "terminatingTLS" | "originatingTLS") => (content: unknown, field: Field) => {
    const context = parseTls(content, field, place.namespace);
    if (context !== undefined) rule[name] = context;
  };
  const isRead = at.object(value, {
    ports: (content, field) => {
      rule.ports = parsePorts(content, field);
    },
    rules: (content, field) => {
      rules = parseL7Rules(content, field, place.namespace);
    },
    terminatingTLS: tls("terminatingTLS"),
    originatingTLS: tls("originatingTLS"),
    serverNames: (content, field) => {
      const names = field.list(content, parseServerName) ?? [];
      if (names.length > 0) rule.serverNames = names;
      else if (Array.isArray(content) && content.length === 0)
        field.warn("an empty list counts as absent", "empty-list");
    },
    listener: (content, field) => {
      const listener = parseListener(content, field, place.namespace);
      if (listener !== undefined) rule.listener = listener;
    },
  });
  if (!isRead) return undefined;
  checkListener(rule, rules, at, place);
  checkServerNames(rule, rules, at);
  checkL7(rule.ports, rules, value, at, place);
  return { ...rule, ...rules };
}

function parseServerName(value: unknown, at: Field): string | undefined {
  const text = at.text(value);
  if (text === undefined) return undefined;
  const wrong = serverNameProblem(text);
  if (wrong === undefined) return text.toLowerCase();
  at.refuse(wrong, "write a name such as www.example.com or *.example.com", text);
  return undefined;
}

function hasL7({ http, dns }: L7Rules): boolean {
  return http !== undefined || dns !== undefined;
}

function checkListener({ listener }: PortRule, rules: L7Rules, at: Field, { direction }: PortsPlace): void {
  if (listener === undefined) return;
  const field = at.child("listener");
  if (direction === "ingress") field.refuse("a listener is not allowed on ingress", "leave it out");
  if (hasL7(rules)) field.refuse("cannot stand beside `rules`", "leave one of them out");
}

function checkServerNames(rule: PortRule, rules: L7Rules, at: Field): void {
  if (rule.serverNames === undefined || !hasL7(rules) || rule.terminatingTLS !== undefined) return;
  at.child("serverNames").refuse("cannot stand beside `rules` without terminatingTLS", "leave one of them out");
}

function checkL7(
  ports: readonly PortSpec[],
  { http, dns }: L7Rules,
  value: object,
  at: Field,
  place: PortsPlace,
): void {
  if (http === undefined && dns === undefined) return;
  const isIngress = place.direction === "ingress";
  const rules = at.child("rules");
  if (place.isNode && (isIngress || http !== undefined))
    rules.refuse(`not supported on ${place.direction} of the host`, "leave `rules` out");
  if (dns !== undefined && isIngress) rules.child("dns").refuse("DNS rules are for egress alone", "leave them out");
  const field = at.child("ports");
  if (http !== undefined && ports.some(({ protocol }) => protocol !== Protocol.Tcp))
    field.refuse("HTTP rules apply to TCP alone", "write `protocol: TCP` on every port of the element");
  if (ports.some(({ port, name }) => port === 0 && name === undefined))
    field.refuse("`rules` cannot apply to port 0", "name the ports");
  if (dns === undefined) return;
  const written = (value as { ports?: unknown }).ports;
  if (!Array.isArray(written) || written.length === 0) field.refuse("DNS rules need a port", 'write port: "53"');
  if (ports.some(({ port, name, endPort }) => name === undefined && endPort > port))
    field.refuse("DNS rules cannot apply to a range of ports", "write the ports one by one");
}
