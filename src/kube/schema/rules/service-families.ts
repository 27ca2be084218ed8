import { type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { duplicate, forbiddenValue, invalid, requiredValue, unsupported } from "../field-error.ts";
import { isIP, isIPv6 } from "../format.ts";

const FAMILIES = ["IPv4", "IPv6"];
const POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const MOST_ADDRESSES = 2;

const texts = (value: unknown): string[] => listOf(value).map(String);

const isHeadless = (addresses: readonly string[]): boolean => addresses.length === 1 && addresses[0] === "None";

/** `clusterIP` is the first of `clusterIPs`; who sets the list sets both. */
function syncErrors(spec: Fields, addresses: readonly string[]): FieldError[] {
  if (spec.clusterIP) {
    if (addresses.length === 0) return [requiredValue("spec.clusterIPs")];
    if (addresses[0] === spec.clusterIP) return [];
    return [invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")];
  }
  if (addresses.length === 0) return [];
  return [invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")];
}

function valueErrors(spec: Fields, families: readonly string[]): FieldError[] {
  const errors = families.flatMap((family, index) => {
    const field = `spec.ipFamilies[${index}]`;
    return [
      ...(FAMILIES.includes(family) ? [] : [unsupported(field, family, FAMILIES)]),
      ...(families.indexOf(family) < index ? [duplicate(field, family)] : []),
    ];
  });
  const policy = spec.ipFamilyPolicy ?? undefined;
  if (policy === undefined || POLICIES.includes(String(policy))) return errors;
  return [...errors, unsupported("spec.ipFamilyPolicy", policy, POLICIES)];
}

function addressErrors(addresses: readonly string[]): FieldError[] {
  return addresses.flatMap((address, index) => {
    if (index === 0 && address === "None") {
      if (addresses.length === 1) return [];
      return [invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")];
    }
    const field = `spec.clusterIPs[${index}]`;
    if (!isIP(address)) {
      return [invalid(field, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
    }
    const isMapped = address.includes(":") && address.includes(".");
    return isMapped ? [invalid(field, address, "must not be an IPv4-mapped IPv6 address")] : [];
  });
}

function pairErrors(addresses: readonly string[], families: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (addresses.length > MOST_ADDRESSES) {
    errors.push(invalid("spec.clusterIPs", addresses, `may only hold up to ${MOST_ADDRESSES} values`));
  }
  const kinds = new Set(addresses.map(isIPv6));
  if (addresses.length > 1 && kinds.size < 2) {
    errors.push(invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family"));
  }
  if (isHeadless(addresses)) return errors;
  const wrong = addresses.flatMap((address, index) => {
    const family = families[index];
    if (family === undefined || isIPv6(address) === (family === "IPv6")) return [];
    const why = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    return [invalid(`spec.clusterIPs[${index}]`, address, why)];
  });
  return [...errors, ...wrong];
}

/** What a name outside has nothing to do with. */
function externalNameErrors(spec: Fields): FieldError[] {
  const set = ["clusterIPs", "ipFamilies"].filter((name) => listOf(spec[name]).length > 0);
  const isChosen = (spec.ipFamilyPolicy ?? undefined) !== undefined;
  return [...set, ...(isChosen ? ["ipFamilyPolicy"] : [])].map((name) =>
    forbiddenValue(`spec.${name}`, "may not be set for ExternalName services"),
  );
}

/**
 * Rules for a service's families and addresses that every cluster has; which families it has is not asked here.
 * As in Kubernetes, an address that is none ends the list.
 */
export function familyErrors(spec: Fields): FieldError[] {
  if (spec.type === "ExternalName") return externalNameErrors(spec);
  const addresses = texts(spec.clusterIPs);
  const families = texts(spec.ipFamilies);
  const wrong = addressErrors(addresses);
  const before = [...syncErrors(spec, addresses), ...valueErrors(spec, families), ...wrong];
  return wrong.length > 0 ? before : [...before, ...pairErrors(addresses, families)];
}

/** `what`: clusterIP or ipFamily, as Kubernetes' texts name the two lists' items. */
function keptErrors(name: string, what: string, next: Fields, old: Fields): FieldError[] {
  const [after, before] = [texts(next[name]), texts(old[name])];
  const changed = (index: number) => invalid(`spec.${name}[${index}]`, after, "may not change once set");
  if (after.length === before.length) {
    return before.flatMap((value, index) => (value === after[index] ? [] : [changed(index)]));
  }
  if (after.length === 0) return [invalid(`spec.${name}[0]`, after, `primary ${what} can not be unset`)];
  const errors = before.length > 0 && after[0] !== before[0] ? [changed(0)] : [];
  if (after.length > before.length || next.ipFamilyPolicy === "SingleStack") return errors;
  const why = `must be set to 'SingleStack' when releasing the secondary ${what}`;
  return [...errors, invalid("spec.ipFamilyPolicy", next.ipFamilyPolicy, why)];
}

/** What stays while a service has addresses: all of them and their families, but a second one may come and go. */
export function familyUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  const [after, before] = [fieldsOf(next.spec), fieldsOf(old.spec)];
  if (after.type === "ExternalName" || before.type === "ExternalName") return [];
  const headless = [after, before].map((spec) => isHeadless(texts(spec.clusterIPs)));
  if (headless[0] && headless[1]) return [];
  return [
    ...keptErrors("clusterIPs", "clusterIP", after, before),
    ...(headless[0] === headless[1] ? keptErrors("ipFamilies", "ipFamily", after, before) : []),
  ];
}
