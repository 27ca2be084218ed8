/** More functions that Kubernetes adds to the language: optional values, sets, named formats, versions, pairs, texts of values. */
import { type CelInput, CelScalar, celFunc, celMap, celMethod, isCelList, isCelMap, listType } from "@bufbuild/cel";
import { hasFormat } from "./format.ts";
import {
  dns1035Problems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from "./rules/names.ts";

const { BOOL, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);
type Key = bigint | string | boolean;

/** An optional value: a list of it, or of nothing. */
export const optional = (value: CelInput | undefined): CelInput => (value === undefined ? [] : [value]) as CelInput;
const ordered = <T>(a: T, b: T): bigint => (a < b ? -1n : a > b ? 1n : 0n);
const nested = (value: unknown): never => value as never;

/** An entry of a map, or an item of a list, if it is there. */
function entryOf(holder: unknown, key: unknown): CelInput | undefined {
  if (isCelMap(holder)) return holder.get(key as Key) as CelInput | undefined;
  if (isCelList(holder)) return holder.get(Number(key)) as CelInput | undefined;
  throw new Error(`no such key: ${key}`);
}

const isZero = (value: unknown): boolean =>
  isCelList(value) || isCelMap(value) ? value.size === 0 : [null, 0n, 0, "", false].includes(value as never);

const optionals = [
  celFunc("__optional_none", [], LIST, () => nested([])),
  celFunc("__optional_of", [DYN], LIST, (value) => nested([value])),
  celFunc("__optional_ofNonZeroValue", [DYN], LIST, (value) => nested(isZero(value) ? [] : [value])),
  ...["__get", "__field", "__at"].flatMap((name) => [
    celMethod(name, DYN, [DYN], LIST, function (key) {
      return nested(optional(entryOf(this, key)));
    }),
    celMethod(`${name}_in`, LIST, [DYN], LIST, function (key) {
      return nested(this.size === 0 ? [] : optional(entryOf(this.get(0), key)));
    }),
  ]),
  celMethod("hasValue", LIST, [], BOOL, function () {
    return this.size > 0;
  }),
  celMethod("value", LIST, [], DYN, function () {
    if (this.size === 0) throw new Error("optional.none() dereference");
    return nested(this.get(0));
  }),
  celMethod("orValue", LIST, [DYN], DYN, function (other) {
    return nested(this.size > 0 ? this.get(0) : other);
  }),
  celMethod("or", LIST, [LIST], LIST, function (other) {
    return nested(this.size > 0 ? this : other);
  }),
  celMethod("__flat", LIST, [], LIST, function () {
    return nested(this.size > 0 ? this.get(0) : []);
  }),
];

/** A map of entries. Throws where a key is there twice. */
function mapOf(entries: readonly (readonly [Key, CelInput])[]): never {
  const made = new Map<Key, CelInput>();
  for (const [key, value] of entries) {
    if (made.has(key)) throw new Error(`insert failed: key ${key} already exists`);
    made.set(key, value);
  }
  return nested(celMap(made));
}

/** What stands after a `?` must be an optional value. */
function contentOf(value: unknown): CelInput[] {
  if (!isCelList(value)) throw new Error("no such overload");
  return [...value] as CelInput[];
}

const literals = [
  celFunc("__joined", [LIST], LIST, (parts) => nested([...parts].flatMap(contentOf))),
  celFunc("__entries", [LIST], DYN, (entries) =>
    mapOf(
      [...entries]
        .filter(isCelList)
        .flatMap((entry) => contentOf(entry.get(1)).map((value) => [entry.get(0) as Key, value] as const)),
    ),
  ),
  celMethod("__merge", LIST, [], DYN, function () {
    return mapOf([...this].filter(isCelMap).flatMap((map) => [...map] as unknown as [Key, CelInput][]));
  }),
];

const pairs = [
  celMethod("__pairs", DYN, [], LIST, function () {
    if (isCelMap(this)) return nested([...this].map(([key, value]) => [key, value]));
    if (isCelList(this)) return nested([...this].map((value, index) => [BigInt(index), value]));
    throw new Error("no such overload");
  }),
  celMethod("__map", LIST, [], DYN, function () {
    const entries = [...this].filter(isCelList).map((pair) => [pair.get(0) as Key, pair.get(1) as CelInput] as const);
    return nested(celMap(new Map(entries)));
  }),
];

/** Values that are equal are one text: numbers of two kinds that are equal, too. */
function identity(value: unknown): string {
  if (isCelList(value)) return `[${[...value].map(identity).join()}]`;
  if (isCelMap(value))
    return `{${[...value]
      .map((entry) => entry.map(identity).join(":"))
      .sort()
      .join()}}`;
  if (typeof value === "bigint" || typeof value === "number") return `${value}`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
const setOf = (list: Iterable<unknown>): Set<string> => new Set([...list].map(identity));
const holdsAll = (all: Set<string>, some: Set<string>): boolean => [...some].every((item) => all.has(item));

const sets = [
  celFunc("__sets_contains", [LIST, LIST], BOOL, (all, some) => holdsAll(setOf(all), setOf(some))),
  celFunc("__sets_equivalent", [LIST, LIST], BOOL, (a, b) => {
    const [left, right] = [setOf(a), setOf(b)];
    return left.size === right.size && holdsAll(left, right);
  }),
  celFunc("__sets_intersects", [LIST, LIST], BOOL, (a, b) => {
    const right = setOf(b);
    return [...setOf(a)].some((item) => right.has(item));
  }),
];

/** A name may go on where a prefix ends in a dash: Kubernetes puts an `a` for it and what stands before it. */
const asPrefix = (check: (text: string) => string[]) => (text: string) => check(text.replace(/.-$/, "a"));
const kept = (format: string, fault: string) => (text: string) => (hasFormat(format, text) ? [] : [fault]);
const FORMATS: Readonly<Record<string, (text: string) => string[]>> = {
  dns1123Label: dnsLabelProblems,
  dns1123Subdomain: dnsSubdomainProblems,
  dns1035Label: dns1035Problems,
  dns1123LabelPrefix: asPrefix(dnsLabelProblems),
  dns1123SubdomainPrefix: asPrefix(dnsSubdomainProblems),
  dns1035LabelPrefix: asPrefix(dns1035Problems),
  qualifiedName: qualifiedNameProblems,
  labelValue: labelValueProblems,
  uri: (text) =>
    /^(?:\/|[a-z][a-z\d+.-]*:)/i.test(text) && URL.canParse(text, "http://a")
      ? []
      : [`parse ${JSON.stringify(text)}: invalid URI for request`],
  uuid: kept("uuid", "does not match the UUID format"),
  byte: kept("byte", "invalid base64"),
  date: kept("date", "invalid date"),
  datetime: kept("date-time", "invalid datetime"),
};

const formats = [
  ...Object.keys(FORMATS).map((name) => celFunc(`__format_${name}`, [], STRING, () => `format:${name}`)),
  celFunc("__format_named", [STRING], LIST, (name) => nested(Object.hasOwn(FORMATS, name) ? [`format:${name}`] : [])),
  celMethod("validate", STRING, [STRING], LIST, function (text) {
    const faults = FORMATS[this.slice("format:".length)]?.(text) ?? [];
    return nested(faults.length === 0 ? [] : [faults]);
  }),
];

const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*))?(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?$/;

/** A version with all of its three numbers: `v1.2` is 1.2.0. Short ones have nothing behind their numbers. */
function normalVersion(text: string): string {
  const parts = text.replace(/^v/, "").split(".");
  const three = [...parts.slice(0, 2), ...(parts.length > 2 ? [parts.slice(2).join(".")] : [])];
  if (three.length < 3 && /[+-]/.test(three.at(-1)!)) return "";
  while (three.length < 3) three.push("0");
  return three.map((part) => part.replace(/^0+(?=\d)/, "")).join(".");
}

const versionIn = (text: string, isLoose: boolean): string | undefined => {
  const found = SEMVER.exec(isLoose ? normalVersion(text) : text);
  return found
    ? `semver:${found[1]}.${found[2]}.${found[3]}${found[4] === undefined ? "" : `-${found[4]}`}`
    : undefined;
};

function mustBeVersion(text: string, isLoose: boolean): string {
  const version = versionIn(text, isLoose);
  if (version === undefined) throw new Error(`${JSON.stringify(text)} is no semantic version`);
  return version;
}

const numberIn = (version: string, index: number): bigint =>
  BigInt(version.slice("semver:".length).split("-")[0]!.split(".")[index]!);

function comparedMarks(a: string, b: string): bigint {
  const [isA, isB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isA && isB) return ordered(BigInt(a), BigInt(b));
  return isA === isB ? ordered(a, b) : isA ? -1n : 1n;
}

/** Of two versions as `semver` gives them: -1, 0 or 1. */
export function comparedVersions(a: string, b: string): bigint {
  for (const index of [0, 1, 2]) {
    const order = ordered(numberIn(a, index), numberIn(b, index));
    if (order !== 0n) return order;
  }
  const [left, right] = [a, b].map((version) => /-(.*)$/.exec(version)?.[1]?.split(".") ?? []);
  if (left!.length === 0 || right!.length === 0) return ordered(right!.length, left!.length);
  for (let index = 0; index < Math.min(left!.length, right!.length); index++) {
    const order = comparedMarks(left![index]!, right![index]!);
    if (order !== 0n) return order;
  }
  return ordered(left!.length, right!.length);
}

/** True of a version as `semver` gives it. */
export const isVersion = (text: string): boolean => text.startsWith("semver:");

const versions = [
  celFunc("semver", [STRING], STRING, (text) => mustBeVersion(text, false)),
  celFunc("semver", [STRING, BOOL], STRING, mustBeVersion),
  celFunc("isSemver", [STRING], BOOL, (text) => versionIn(text, false) !== undefined),
  celFunc("isSemver", [STRING, BOOL], BOOL, (text, isLoose) => versionIn(text, isLoose) !== undefined),
  ...["major", "minor", "patch"].map((name, index) =>
    celMethod(name, STRING, [], INT, function () {
      return numberIn(this, index);
    }),
  ),
];

/** All of them, for an environment. */
export const MORE_FUNCTIONS = [...optionals, ...literals, ...pairs, ...sets, ...formats, ...versions];
