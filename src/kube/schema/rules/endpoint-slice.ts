import { type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { invalid, requiredValue, unsupported } from "../field-error.ts";
import { isIP, isIPv4, isIPv6, NO_ADDRESS } from "../format.ts";
import { PROTOCOLS } from "./container.ts";
import { portNumberErrors } from "./names.ts";

const FAMILIES = ["FQDN", "IPv4", "IPv6"];

/** Addresses that no other machine can have, and those of groups on one link. */
const SPECIAL = [
  { pattern: /^(0\.0\.0\.0|::)$/, why: "may not be unspecified" },
  { pattern: /^(127\.|::1$)/, why: "may not be in the loopback range (127.0.0.0/8, ::1/128)" },
  { pattern: /^(169\.254\.|fe[89ab])/i, why: "may not be in the link-local range (169.254.0.0/16, fe80::/10)" },
  { pattern: /^(224\.0\.0\.|ff.2:)/i, why: "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)" },
];

function addressErrors(field: string, address: string, family: unknown): FieldError[] {
  if (family === "FQDN") return [];
  if (!isIP(address)) return [invalid(field, address, NO_ADDRESS)];
  if (family === "IPv4" && !isIPv4(address)) return [invalid(field, address, "must be an IPv4 address")];
  if (family === "IPv6" && !isIPv6(address)) return [invalid(field, address, "must be an IPv6 address")];
  return SPECIAL.filter(({ pattern }) => pattern.test(address)).map(({ why }) => invalid(field, address, why));
}

function portErrors(field: string, { port, protocol }: Fields): FieldError[] {
  return [
    ...(port === undefined || port === null ? [] : portNumberErrors(`${field}.port`, port)),
    ...(protocol === undefined || PROTOCOLS.includes(String(protocol))
      ? []
      : [unsupported(`${field}.protocol`, protocol, PROTOCOLS)]),
  ];
}

/** Rules for the addresses and ports of an EndpointSlice. */
export function sliceErrors(object: KubeObject): FieldError[] {
  const { addressType } = object;
  if (addressType === undefined) return [requiredValue("addressType")];
  if (!FAMILIES.includes(String(addressType))) return [unsupported("addressType", addressType, FAMILIES)];
  const endpoints = listOf(object.endpoints).map(fieldsOf);
  return [
    ...endpoints.flatMap(({ addresses }, index) => {
      const path = `endpoints[${index}].addresses`;
      const listed = listOf(addresses).map(String);
      if (listed.length === 0) return [requiredValue(path, "must contain at least 1 address")];
      return listed.flatMap((address, place) => addressErrors(`${path}[${place}]`, address, addressType));
    }),
    ...listOf(object.ports).flatMap((port, index) => portErrors(`ports[${index}]`, fieldsOf(port))),
  ];
}
