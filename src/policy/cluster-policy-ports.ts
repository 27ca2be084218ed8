import { MAX_PORT } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import type { Field } from "./field.ts";
import { isPortName } from "./parse-port.ts";
import type { PortRule } from "./rule.ts";

const PROTOCOLS = { tcp: Protocol.Tcp, udp: Protocol.Udp, sctp: Protocol.Sctp } as const;

interface Range {
  readonly port: number;
  readonly endPort: number;
}

/** Reads one element of `protocols` of a ClusterNetworkPolicy: a port or a range of one protocol, or a named port of any. */
export function parseProtocols(value: unknown, at: Field): PortRule | undefined {
  let rule: PortRule | undefined;
  const numbered = (protocol: number) => (content: unknown, field: Field) => {
    const range = parseDestination(content, field);
    if (range !== undefined) rule = { ports: [{ protocol, ...range }] };
  };
  const isRead = at.object(value, {
    tcp: numbered(PROTOCOLS.tcp),
    udp: numbered(PROTOCOLS.udp),
    sctp: numbered(PROTOCOLS.sctp),
    destinationNamedPort: (content, field) => {
      const name = parseName(content, field);
      if (name === undefined) return;
      rule = { ports: Object.values(PROTOCOLS).map((protocol) => ({ protocol, name, port: 0, endPort: 0 })) };
    },
  });
  if (!isRead) return undefined;
  const present = Object.values(value).filter((content) => (content ?? null) !== null);
  if (present.length !== 1)
    at.refuse("must have exactly one of tcp, udp, sctp, destinationNamedPort", "write one element for each");
  return rule;
}

function parseName(value: unknown, at: Field): string | undefined {
  const name = at.text(value);
  if (name === undefined || isPortName(name)) return name;
  at.refuse("not the name of a port", "use lower-case letters, digits and dashes", name);
  return undefined;
}

function parseDestination(value: unknown, at: Field): Range | undefined {
  let found: Range | undefined;
  at.object(
    value,
    {
      destinationPort: (content, field) => {
        found = parsePortOrRange(content, field);
      },
    },
    { required: ["destinationPort"] },
  );
  return found;
}

function parsePortOrRange(value: unknown, at: Field): Range | undefined {
  let number: number | undefined;
  let range: Range | undefined;
  const isRead = at.object(value, {
    number: (content, field) => {
      number = field.integer(content, 1, MAX_PORT);
    },
    range: (content, field) => {
      range = parseRange(content, field);
    },
  });
  if (!isRead) return undefined;
  const hasNumber = (value["number"] ?? null) !== null;
  if (hasNumber === ((value["range"] ?? null) !== null))
    at.refuse("must have either number or range", "write one of them");
  return number === undefined ? range : { port: number, endPort: number };
}

function parseRange(value: unknown, at: Field): Range | undefined {
  let start: number | undefined;
  let end: number | undefined;
  const isRead = at.object(
    value,
    {
      start: (content, field) => {
        start = field.integer(content, 1, MAX_PORT);
      },
      end: (content, field) => {
        end = field.integer(content, 1, MAX_PORT);
      },
    },
    { required: ["start", "end"] },
  );
  if (!isRead || start === undefined || end === undefined) return undefined;
  if (start >= end) at.refuse("start must be below end", "turn them around, or write `number`");
  return { port: start, endPort: end };
}
