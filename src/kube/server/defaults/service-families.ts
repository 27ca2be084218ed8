import { type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import { invalid as invalidValue } from "../../schema/field-error.ts";
import { familyErrors } from "../../schema/rules/service-families.ts";
import { type FieldError, invalid } from "../../status.ts";
import { familyOfAddress } from "../service-range.ts";

const SERVICES = { group: "", resource: "services", kind: "Service" };
const FAMILIES = ["IPv4", "IPv6"] as const;

/** Throws 422 when there are errors. */
export function refuseService(name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(SERVICES, name, errors);
}

/** The addresses that a service names; `None` counts as one. */
export const addressesOf = (spec: Fields): string[] => listOf(spec.clusterIPs).map(String);
/** The families that a service names, its first one first. */
export const familiesOf = (spec: Fields): string[] => listOf(spec.ipFamilies).map(String);

const sameTexts = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, index) => text === b[index]);

const isSingle = (spec: Fields): boolean => spec.ipFamilyPolicy === "SingleStack";

/** Headless and without a selector: whose endpoints these are, and of which family, only their writer knows. */
const isSelectorless = (spec: Fields): boolean =>
  spec.clusterIP === "None" && Object.keys(fieldsOf(spec.selector)).length === 0;

/** A service that prefers both families is not changed behind its user's back by an update of something else. */
function staysAsItIs(spec: Fields, before: Fields): boolean {
  return (
    spec.ipFamilyPolicy === "PreferDualStack" &&
    before.ipFamilyPolicy === "PreferDualStack" &&
    spec.type === before.type &&
    sameTexts(addressesOf(spec), addressesOf(before)) &&
    sameTexts(familiesOf(spec), familiesOf(before))
  );
}

function fillPolicy(spec: Fields, before: Fields, isDual: boolean): void {
  if ((spec.ipFamilyPolicy ?? undefined) !== undefined) return;
  const earlier = before.ipFamilyPolicy ?? undefined;
  spec.ipFamilyPolicy = earlier ?? (isDual && isSelectorless(spec) ? "RequireDualStack" : "SingleStack");
}

/** What SingleStack lets go by itself, and what only SingleStack may let go. */
function releaseErrors(spec: Fields, before: Fields): FieldError[] {
  const [addresses, families] = [addressesOf(spec), familiesOf(spec)];
  if (isSingle(spec)) {
    if (addresses.length > 1 && sameTexts(addresses, addressesOf(before))) spec.clusterIPs = [addresses[0]];
    if (families.length > 1 && sameTexts(families, familiesOf(before))) spec.ipFamilies = [families[0]];
    return [];
  }
  const refuse = (what: string) =>
    invalidValue("spec.ipFamilyPolicy", spec.ipFamilyPolicy, `must be 'SingleStack' to release the secondary ${what}`);
  const isReduced = (after: readonly string[], earlier: readonly string[]) =>
    after.length > 0 && after.length < earlier.length;
  return [
    ...(isReduced(addresses, addressesOf(before)) ? [refuse("cluster IP")] : []),
    ...(isReduced(families, familiesOf(before)) ? [refuse("IP family")] : []),
  ];
}

function countErrors(spec: Fields): FieldError[] {
  const refuse = (what: string) => {
    const why = `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`;
    return invalidValue("spec.ipFamilyPolicy", spec.ipFamilyPolicy, why);
  };
  return [
    ...(isSingle(spec) && addressesOf(spec).length === 2 ? [refuse("cluster IPs")] : []),
    ...(isSingle(spec) && familiesOf(spec).length === 2 ? [refuse("IP families")] : []),
  ];
}

/** An address says its family where the user did not. */
function inferFamilies(spec: Fields, configured: readonly string[]): FieldError[] {
  const addresses = addressesOf(spec);
  const families = familiesOf(spec);
  if (addresses[0] === "None") return [];
  const errors = addresses.slice(families.length).flatMap((address) => {
    const family = familyOfAddress(address) ?? "IPv4";
    if (configured.includes(family)) {
      families.push(family);
      return [];
    }
    const field = `spec.clusterIPs[${addresses.indexOf(address)}]`;
    return [invalidValue(field, addresses, `${family} is not configured on this cluster`)];
  });
  if (families.length > 0) spec.ipFamilies = families;
  return errors;
}

function clusterErrors(spec: Fields, configured: readonly string[]): FieldError[] {
  const why = "this cluster is not configured for dual-stack services";
  return [
    ...(spec.ipFamilyPolicy === "RequireDualStack" && configured.length < 2
      ? [invalidValue("spec.ipFamilyPolicy", spec.ipFamilyPolicy, why)]
      : []),
    ...familiesOf(spec).flatMap((family, index) =>
      configured.includes(family)
        ? []
        : [invalidValue(`spec.ipFamilies[${index}]`, family, "not configured on this cluster")],
    ),
  ];
}

/**
 * Fills in a service's `ipFamilyPolicy` and `ipFamilies` by Kubernetes' rules, for a cluster that has the `configured`
 * families. Throws 422. One thing is stricter than there: a cluster of one family refuses the other one also for
 * headless services without a selector.
 */
export function fillFamilies(object: KubeObject, old: KubeObject | undefined, configured: readonly string[]): void {
  const [spec, before] = [fieldsOf(object.spec), fieldsOf(old?.spec)];
  const { name } = object.metadata;
  if (spec.type === "ExternalName" || staysAsItIs(spec, before)) return;
  fillPolicy(spec, before, configured.length === 2);
  refuseService(name, familyErrors(spec));
  const released = old ? releaseErrors(spec, before) : [];
  refuseService(name, [...released, ...countErrors(spec), ...inferFamilies(spec, configured)]);
  refuseService(name, clusterErrors(spec, configured));
  const families = familiesOf(spec);
  if (families.length === 0) families.push(configured[0]!);
  if (!isSingle(spec) && families.length === 1 && configured.length === 2) {
    families.push(...FAMILIES.filter((family) => family !== families[0]));
  }
  spec.ipFamilies = families;
}
