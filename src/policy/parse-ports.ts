import { ICMP_TYPES, ICMPV6_TYPES } from "../model/icmp.ts";
import { Limits } from "../model/limits.ts";
import { MAX_PORT } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { Field } from "./field.ts";
import { parseL7Rules } from "./parse-http.ts";
import type { HttpRule } from "./policy-map.ts";
import type { PortRule, PortSpec } from "./rule.ts";

const PORT_NAME = /^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;
const PROTOCOLS: Readonly<Record<string, readonly number[]>> = {
  "": [Protocol.Tcp, Protocol.Udp, Protocol.Sctp],
  ANY: [Protocol.Tcp, Protocol.Udp, Protocol.Sctp],
  TCP: [Protocol.Tcp],
  UDP: [Protocol.Udp],
  SCTP: [Protocol.Sctp],
};

const REFUSED_PORT_FIELDS: Readonly<Record<string, string>> = {
  terminatingTLS: "write the rule without TLS interception",
  originatingTLS: "write the rule without TLS interception",
  serverNames: "name the peer by endpoints or CIDR",
  listener: "leave the listener out",
};

/** Reads `toPorts`. In a deny rule only `ports` is allowed. */
export function parseToPorts(value: unknown, at: Field, deny: boolean): PortRule[] | undefined {
  return at.list(value, (element, field) => (deny ? parseDenyPorts(element, field) : parsePortRule(element, field)));
}

function parseDenyPorts(value: unknown, at: Field): PortRule | undefined {
  let ports: readonly PortSpec[] = [];
  const mend = "a deny rule has ports alone; allow what may pass in `ingress` or `egress`";
  const isRead = at.object(
    value,
    {
      ports: (content, field) => {
        ports = parsePorts(content, field);
      },
    },
    { rules: mend, ...REFUSED_PORT_FIELDS },
  );
  return isRead ? { ports } : undefined;
}

function parsePortRule(value: unknown, at: Field): PortRule | undefined {
  let ports: readonly PortSpec[] = [];
  let http: readonly HttpRule[] | undefined;
  const isRead = at.object(
    value,
    {
      ports: (content, field) => {
        ports = parsePorts(content, field);
      },
      rules: (content, field) => {
        http = parseL7Rules(content, field);
      },
    },
    REFUSED_PORT_FIELDS,
  );
  if (!isRead) return undefined;
  if (http === undefined) return { ports };
  if (ports.some(({ protocol }) => protocol !== Protocol.Tcp)) {
    at.child("ports").refuse("HTTP rules apply to TCP alone", "write `protocol: TCP` on every port of the element");
  }
  if (ports.some(({ port, name }) => port === 0 && name === undefined)) {
    at.child("ports").refuse("HTTP rules cannot apply to port 0", "name the ports");
  }
  return { ports, http };
}

function parsePorts(value: unknown, at: Field): PortSpec[] {
  if (Array.isArray(value) && value.length > Limits.PortsPerRule) {
    at.refuse(`${value.length} ports; at most ${Limits.PortsPerRule}`, "use another element or a range (endPort)");
    return [];
  }
  return (at.list(value, parsePort) ?? []).flat();
}

function parsePort(value: unknown, at: Field): PortSpec[] | undefined {
  let target: { readonly port: number; readonly name?: string } | undefined;
  let endPort = 0;
  let protocols: readonly number[] = PROTOCOLS["ANY"]!;
  const isRead = at.object(value, {
    port: (content, field) => {
      target = parseTarget(content, field);
    },
    endPort: (content, field) => {
      endPort = field.integer(content, 0, MAX_PORT) ?? 0;
    },
    protocol: (content, field) => {
      protocols = parseProtocol(content, field);
    },
  });
  if (!isRead) return undefined;
  if (((value as Record<string, unknown>)["port"] ?? null) === null) at.child("port").refuse("is required");
  if (target === undefined) return undefined;
  const { port, name } = target;
  if (name !== undefined) return protocols.map((protocol) => ({ protocol, name, port: 0, endPort }));
  // Cilium ignores an endPort that is not above the port, and any endPort of port 0.
  return protocols.map((protocol) => ({ protocol, port, endPort: port === 0 ? 0 : Math.max(port, endPort) }));
}

function parseTarget(value: unknown, at: Field): { port: number; name?: string } | undefined {
  const text = at.text(value);
  if (text === undefined) return undefined;
  const name = text.toLowerCase();
  if (name.length <= Limits.PortNameLength && PORT_NAME.test(name)) return { port: 0, name };
  if (/^(0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= MAX_PORT) return { port: Number(text) };
  const mend = /^0[0-9]+$/.test(text)
    ? "write it without leading zeros (Cilium reads them as octal)"
    : `write a number from 0 to ${MAX_PORT} or a name of at most ${Limits.PortNameLength} letters, digits and dashes`;
  at.refuse("not a port", mend, text);
  return undefined;
}

function parseProtocol(value: unknown, at: Field): readonly number[] {
  const text = at.text(value);
  if (text === undefined) return [];
  const name = text.toUpperCase();
  if (Object.hasOwn(PROTOCOLS, name)) return PROTOCOLS[name]!;
  const mend = name.startsWith("ICMP") ? "use `icmps`" : "use one of: TCP, UDP, SCTP, ANY";
  at.refuse(`protocol ${text} is not supported`, mend, text);
  return [];
}

/** Reads `icmps`: the type takes the place of the port. */
export function parseIcmps(value: unknown, at: Field): PortRule[] | undefined {
  return at.list(value, (element, field) => {
    let ports: readonly PortSpec[] = [];
    const isRead = field.object(element, {
      fields: (content, list) => {
        ports = parseIcmpFields(content, list);
      },
    });
    return isRead ? { ports } : undefined;
  });
}

function parseIcmpFields(value: unknown, at: Field): PortSpec[] {
  if (Array.isArray(value) && value.length > Limits.IcmpFieldsPerRule) {
    at.refuse(`${value.length} types; at most ${Limits.IcmpFieldsPerRule}`, "use another element");
    return [];
  }
  return at.list(value, parseIcmpField) ?? [];
}

function parseIcmpField(value: unknown, at: Field): PortSpec | undefined {
  let family: unknown = "IPv4";
  let type: unknown;
  const isRead = at.object(value, {
    family: (content, field) => {
      family = content === "" ? "IPv4" : content;
      if (family !== "IPv4" && family !== "IPv6") field.refuse("wrong family", "use IPv4 or IPv6", content);
    },
    type: (content) => {
      type = content;
    },
  });
  if (!isRead) return undefined;
  if (type === undefined) {
    at.child("type").refuse("is required");
    return undefined;
  }
  if (family !== "IPv4" && family !== "IPv6") return undefined;
  const number = icmpType(type, family);
  if (number === undefined) {
    at.child("type").refuse(
      `not an ICMP type of ${family}`,
      "write a number from 0 to 255 or a name such as EchoRequest",
      type,
    );
    return undefined;
  }
  return { protocol: family === "IPv4" ? Protocol.Icmp : Protocol.IcmpV6, port: number, endPort: number };
}

function icmpType(type: unknown, family: "IPv4" | "IPv6"): number | undefined {
  const names = family === "IPv4" ? ICMP_TYPES : ICMPV6_TYPES;
  if (typeof type === "string" && Object.hasOwn(names, type)) return names[type];
  const number = typeof type === "string" && /^(0|[1-9][0-9]{0,2})$/.test(type) ? Number(type) : type;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 255 ? number : undefined;
}
