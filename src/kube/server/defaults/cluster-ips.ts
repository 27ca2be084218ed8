import { type Fields, fieldsOf, type KubeObject } from "../../object.ts";
import { invalid as invalidValue } from "../../schema/field-error.ts";
import { internalError } from "../../status.ts";
import type { Preparation } from "../kind.ts";
import { canonicalAddress, freeAddress, holds, type ServiceRange } from "../service-range.ts";
import { addressesOf, familiesOf, fillFamilies, refuseService } from "./service-families.ts";

const isExternal = (spec: Fields): boolean => spec.type === "ExternalName";
const textOf = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
const sameList = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? []) === JSON.stringify(b ?? []);

function takenAddresses(preparation: Preparation): Set<string> {
  const all = preparation.list("/services").flatMap((service) => addressesOf(fieldsOf(service.spec)));
  return new Set(all.map(canonicalAddress));
}

function checkAddress(name: string, spec: Fields, address: string, range: ServiceRange, taken: Set<string>): void {
  const refuse = (why: string) =>
    refuseService(name, [
      invalidValue("spec.clusterIPs", addressesOf(spec), `failed to allocate IP ${address}: ${why}`),
    ]);
  if (!holds(range, address)) refuse("the provided network does not match the current range");
  if (taken.has(canonicalAddress(address))) refuse("provided IP is already allocated");
}

/** Gives every family from number `first` on its address: the one that is asked for, or a free one. */
function allocate(name: string, spec: Fields, first: number, preparation: Preparation): void {
  const addresses = addressesOf(spec);
  if (addresses[0] === "None" || familiesOf(spec).length <= first) return;
  const taken = takenAddresses(preparation);
  familiesOf(spec).forEach((family, index) => {
    const range = preparation.serviceRanges.find((candidate) => candidate.family === family);
    if (index < first || range === undefined) return;
    const asked = addresses[index];
    if (asked !== undefined) checkAddress(name, spec, asked, range, taken);
    else {
      const free = freeAddress(range, taken);
      if (free === undefined) throw internalError("failed to allocate a serviceIP: range is full");
      addresses[index] = free;
    }
  });
  spec.clusterIPs = addresses;
  spec.clusterIP = addresses[0];
}

/** Who sets `clusterIP` alone, as before there was a list, means the list of it. */
function syncAtCreation(spec: Fields): void {
  if (textOf(spec.clusterIP) !== "" && addressesOf(spec).length === 0) spec.clusterIPs = [spec.clusterIP];
}

/** A client that knows `clusterIP` alone sends the list as it was, or none. */
function syncAtUpdate(spec: Fields, before: Fields): void {
  const [after, earlier] = [textOf(spec.clusterIP), textOf(before.clusterIP)];
  if (addressesOf(spec).length === 0 && after === earlier) spec.clusterIPs = addressesOf(before);
  if (after === earlier || !sameList(spec.clusterIPs, before.clusterIPs)) return;
  spec.clusterIPs = after === "" ? [] : [after];
}

/** What the server gave is the service's also when an update leaves it out. */
function keepAddresses(spec: Fields, before: Fields): void {
  if (isExternal(spec) || isExternal(before)) return;
  if (textOf(spec.clusterIP) === "") spec.clusterIP = before.clusterIP;
  if (addressesOf(spec).length === 0 && spec.clusterIP === before.clusterIP) spec.clusterIPs = addressesOf(before);
}

/** What belongs to addresses goes with them, where the user did not set it anew. */
function dropAddresses(spec: Fields, before: Fields): void {
  if (!isExternal(spec) || isExternal(before)) return;
  if (sameList(spec.clusterIPs, before.clusterIPs)) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
  }
  if (sameList(spec.ipFamilies, before.ipFamilies)) delete spec.ipFamilies;
  if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy;
}

const configured = (preparation: Preparation): string[] => preparation.serviceRanges.map(({ family }) => family);

/** Gives a new service its families and an address of each. Throws 422 for what the cluster does not have. */
export function giveAddresses(object: KubeObject, preparation: Preparation): void {
  const spec = fieldsOf(object.spec);
  syncAtCreation(spec);
  if (isExternal(spec)) return;
  fillFamilies(object, undefined, configured(preparation));
  allocate(object.metadata.name, spec, 0, preparation);
}

/** Keeps a service's addresses across an update, and gives those that it begins to need. Throws 422. */
export function updateAddresses(next: KubeObject, old: KubeObject, preparation: Preparation): void {
  const [spec, before] = [fieldsOf(next.spec), fieldsOf(old.spec)];
  syncAtUpdate(spec, before);
  keepAddresses(spec, before);
  dropAddresses(spec, before);
  if (isExternal(spec)) return;
  fillFamilies(next, old, configured(preparation));
  // the addresses that it has are compared with the earlier ones by the kind's rules
  allocate(next.metadata.name, spec, addressesOf(before).length, preparation);
}
