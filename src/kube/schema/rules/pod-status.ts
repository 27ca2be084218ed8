import { type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { invalid } from "../field-error.ts";
import { isIP, isIPv4 } from "../format.ts";

const NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

function addressErrors(field: string, address: unknown): FieldError[] {
  if (address === undefined || address === "") return [];
  return isIP(String(address)) ? [] : [invalid(field, address, NO_ADDRESS)];
}

function listErrors(field: string, value: unknown): FieldError[] {
  const addresses = listOf(value).map((entry) => fieldsOf(entry).ip);
  const errors = addresses.flatMap((address, index) =>
    isIP(String(address)) ? [] : [invalid(`${field}[${index}]`, address ?? "", NO_ADDRESS)],
  );
  if (errors.length > 0) return errors;
  const families = addresses.map((address) => isIPv4(String(address)));
  if (new Set(families).size === families.length) return [];
  return [invalid(field, value, "may specify no more than one IP for each IP family")];
}

/** Addresses of a pod's status: Kubernetes takes one of each family, and nothing that is none. */
export function podStatusErrors(status: Fields): FieldError[] {
  return ["podIP", "hostIP"].flatMap((name) => [
    ...addressErrors(`status.${name}`, status[name]),
    ...listErrors(`status.${name}s`, status[`${name}s`]),
  ]);
}
