import { ICMP_TYPES, ICMPV6_TYPES } from "../model/icmp.ts";
import { Limits } from "../model/limits.ts";
import { Protocol } from "../model/protocol.ts";
import type { Field } from "./field.ts";
import type { PortRule, PortSpec } from "./rule.ts";

/** Reads `icmps`: the type takes the place of the port. */
export function parseIcmps(value: unknown, at: Field): PortRule[] | undefined {
  return at.list(value, (element, field) => {
    let ports: readonly PortSpec[] = [];
    const isRead = field.object(element, {
      fields: (content, list) => {
        ports = list.countedList(content, 0, Limits.IcmpFieldsPerRule, parseIcmpField) ?? [];
      },
    });
    if (isRead && !(element["fields"] as unknown[] | undefined)?.length)
      field.warn("no types: it matches nothing", "matches-nothing");
    return isRead ? { ports } : undefined;
  });
}

type Family = "IPv4" | "IPv6";

function parseIcmpField(value: unknown, at: Field): PortSpec | undefined {
  let family: Family | undefined = "IPv4";
  let type: unknown;
  const isRead = at.object(
    value,
    {
      family: (content, field) => {
        family = content === "" ? "IPv4" : field.choice(content, ["IPv4", "IPv6"] as const);
      },
      type: (content) => {
        type = content;
      },
    },
    { required: ["type"] },
  );
  if (!isRead || type === undefined || family === undefined) return undefined;
  const number = icmpType(type, family);
  const field = at.child("type");
  if (number === undefined) {
    const mend = "write a number from 0 to 255 or a name such as EchoRequest";
    field.refuse(`not an ICMP type of ${family}`, mend, type);
    return undefined;
  }
  if (number === 0) field.warn("type 0 stands for every type of the family");
  return { protocol: family === "IPv4" ? Protocol.Icmp : Protocol.IcmpV6, port: number, endPort: number };
}

function icmpType(type: unknown, family: Family): number | undefined {
  const names = family === "IPv4" ? ICMP_TYPES : ICMPV6_TYPES;
  if (typeof type === "string" && Object.hasOwn(names, type)) return names[type];
  const number = typeof type === "string" && /^(0|[1-9][0-9]{0,2})$/.test(type) ? Number(type) : type;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 255 ? number : undefined;
}
