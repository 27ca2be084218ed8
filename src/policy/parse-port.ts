import { Limits } from "../model/limits.ts";
import { MAX_PORT } from "../model/port.ts";
import { PORTLESS, Protocol } from "../model/protocol.ts";
import type { Field } from "./field.ts";
import type { PortSpec } from "./rule.ts";

const PORT_NAME = /^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;
/** Whole numbers as Go reads them when the text itself says the base: a leading 0 means octal, `_` may part digits. */
const DECIMAL = /^(0|[1-9](_?[0-9])*)$/;
const OCTAL = /^0(_?[0-7])+$/;

const ANY: readonly number[] = [Protocol.Tcp, Protocol.Udp, Protocol.Sctp];
const WITH_PORTS: Readonly<Record<string, readonly number[]>> = {
  "": ANY,
  ANY,
  TCP: [Protocol.Tcp],
  UDP: [Protocol.Udp],
  SCTP: [Protocol.Sctp],
};
/** They are written with port 0. */
const WITHOUT_PORTS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(PORTLESS).map(([name, number]) => [name.toUpperCase(), number]),
);
const PROTOCOLS = [...Object.keys(WITH_PORTS), ...Object.keys(WITHOUT_PORTS)].filter((name) => name !== "");

/** True for an IANA service name in lower case. */
export function isPortName(text: string): boolean {
  return text.length <= Limits.PortNameLength && PORT_NAME.test(text);
}

/** Reads `toPorts[].ports[]`: one specification a protocol. */
export function parsePort(value: unknown, at: Field): PortSpec[] | undefined {
  let target: { readonly port: number; readonly name?: string } | undefined;
  let endPort = 0;
  let protocols: readonly number[] = ANY;
  const isRead = at.object(
    value,
    {
      port: (content, field) => {
        target = parseTarget(content, field);
      },
      endPort: (content, field) => {
        endPort = field.integer(content, 0, MAX_PORT) ?? 0;
      },
      protocol: (content, field) => {
        protocols = parseProtocol(content, field);
      },
    },
    { required: ["port"] },
  );
  if (!isRead || target === undefined) return undefined;
  const { port, name } = target;
  checkPortless(protocols, target, at);
  warnOfEndPort(port, endPort, name, at);
  if (name !== undefined) return protocols.map((protocol) => ({ protocol, name, port: 0, endPort }));
  return protocols.map((protocol) => ({ protocol, port, endPort: port === 0 ? 0 : Math.max(port, endPort) }));
}

function checkPortless(protocols: readonly number[], target: { port: number; name?: string }, at: Field): void {
  const isPortless = protocols.some((protocol) => Object.values(WITHOUT_PORTS).includes(protocol));
  if (!isPortless) return;
  if (target.port !== 0) at.child("port").refuse("this protocol has no ports", 'write port: "0"', String(target.port));
  else if (target.name !== undefined)
    at.child("port").warn("this protocol has no ports: it matches nothing", "matches-nothing");
}

/** Cilium ignores an endPort that is not above the port, and any endPort of port 0. */
function warnOfEndPort(port: number, endPort: number, name: string | undefined, at: Field): void {
  if (endPort === 0) return;
  const field = at.child("endPort");
  if (name !== undefined)
    field.warn("beside a named port it is ignored on egress; on ingress the range begins at the port's number");
  else if (port === 0) field.warn("ignored: port 0 is every port");
  else if (endPort < port) field.warn("ignored: it is below the port");
}

function parseTarget(value: unknown, at: Field): { port: number; name?: string } | undefined {
  const text = at.text(value);
  if (text === undefined) return undefined;
  const name = text.toLowerCase();
  if (isPortName(name)) return { port: 0, name };
  const port = parseNumber(text);
  if (port === undefined) {
    const mend = `write a number from 0 to ${MAX_PORT} or a name of at most ${Limits.PortNameLength} letters, digits and dashes`;
    at.refuse("not a port", mend, text);
    return undefined;
  }
  if (port !== 0 && text.startsWith("0")) at.warn(`a leading 0 means octal: this is port ${port}`);
  return { port };
}

function parseNumber(text: string): number | undefined {
  const digits = text.replaceAll("_", "");
  const port = DECIMAL.test(text) ? Number(digits) : OCTAL.test(text) ? Number.parseInt(digits, 8) : undefined;
  return port !== undefined && port <= MAX_PORT ? port : undefined;
}

function parseProtocol(value: unknown, at: Field): readonly number[] {
  const text = at.text(value);
  if (text === undefined) return [];
  const name = text.toUpperCase();
  if (Object.hasOwn(WITH_PORTS, name)) return WITH_PORTS[name]!;
  if (Object.hasOwn(WITHOUT_PORTS, name)) return [WITHOUT_PORTS[name]!];
  const mend = name.startsWith("ICMP") ? "use `icmps`" : `use one of: ${PROTOCOLS.join(", ")}`;
  at.refuse(`protocol ${text} is not supported`, mend, text);
  return [];
}
