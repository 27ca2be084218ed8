/** The functions that Kubernetes adds to the language: amounts, URLs, addresses, ranges, lists, regular expressions; more are in `cel-libraries.ts`. */
import { isIP } from "node:net";
import { CelScalar, type CelValue, celFunc, celMethod, listType } from "@bufbuild/cel";
import { RE2JS } from "re2js";
import { canonicalAddress, cidrContains, formatCidr, parseCidr } from "../../model/cidr.ts";
import { comparedVersions, isVersion, MORE_FUNCTIONS } from "./cel-libraries.ts";
import { exactQuantity } from "./rules/quantity.ts";

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(what);
  return value;
}

/** Amounts go from call to call as text of billionths, so that equal ones are equal. */
const billionths = (text: string): bigint => must(exactQuantity(text), `quantity parse error: ${text}`);
const amount = (value: bigint): string => `${value}n`;
const ONE = 1_000_000_000n;
const ordered = (a: bigint, b: bigint): bigint => (a < b ? -1n : a > b ? 1n : 0n);

/** Amounts have an order, and versions have one. */
const compared = (a: string, b: string): bigint =>
  isVersion(a) ? comparedVersions(a, b) : ordered(billionths(a), billionths(b));

const quantities = [
  celFunc("isQuantity", [STRING], BOOL, (text) => exactQuantity(text) !== undefined),
  celFunc("quantity", [STRING], STRING, (text) => amount(billionths(text))),
  celMethod("isInteger", STRING, [], BOOL, function () {
    return billionths(this) % ONE === 0n;
  }),
  celMethod("asInteger", STRING, [], INT, function () {
    const value = billionths(this);
    if (value % ONE !== 0n) throw new Error("cannot convert value to integer");
    return value / ONE;
  }),
  celMethod("asApproximateFloat", STRING, [], DOUBLE, function () {
    return Number(billionths(this)) / Number(ONE);
  }),
  celFunc("sign", [STRING], INT, (text) => ordered(billionths(text), 0n)),
  celMethod("compareTo", STRING, [STRING], INT, function (other) {
    return compared(this, other);
  }),
  celMethod("isGreaterThan", STRING, [STRING], BOOL, function (other) {
    return compared(this, other) > 0n;
  }),
  celMethod("isLessThan", STRING, [STRING], BOOL, function (other) {
    return compared(this, other) < 0n;
  }),
  ...(["add", "sub"] as const).flatMap((name) => {
    const sum = (a: bigint, b: bigint): string => amount(name === "add" ? a + b : a - b);
    return [
      celMethod(name, STRING, [STRING], STRING, function (other) {
        return sum(billionths(this), billionths(other));
      }),
      celMethod(name, STRING, [INT], STRING, function (other) {
        return sum(billionths(this), other * ONE);
      }),
    ];
  }),
];

/** An address with a scheme and a host, or a path from the root; kept as it was written. */
function urlOf(text: string): URL | undefined {
  return text.startsWith("/") || /^[a-z][\w+.-]*:\/\//i.test(text)
    ? (URL.parse(text, "none://") ?? undefined)
    : undefined;
}

const partOfUrl = (name: string, part: (url: URL) => string) =>
  celMethod(name, STRING, [], STRING, function () {
    const url = must(urlOf(this), `URL parse error: ${this}`);
    return url.protocol === "none:" && name !== "getEscapedPath" ? "" : part(url);
  });

const urls = [
  celFunc("isURL", [STRING], BOOL, (text) => urlOf(text) !== undefined),
  celFunc("url", [STRING], STRING, (text) => must(urlOf(text) && text, `URL parse error: ${text}`)),
  partOfUrl("getScheme", (url) => url.protocol.slice(0, -1)),
  partOfUrl("getHostname", (url) => url.hostname.replace(/^\[|\]$/g, "")),
  partOfUrl("getEscapedPath", (url) => url.pathname),
];

const isCidr = (text: string): boolean => text.includes("/") && parseCidr(text) !== undefined;
const rangeOf = (text: string) => must(isCidr(text) ? parseCidr(text) : undefined, `CIDR parse error: ${text}`);
const addressOf = (text: string): string =>
  must(isIP(text) ? canonicalAddress(text) : undefined, `IP parse error: ${text}`);

const within = (name: string, prefix: string, prefix6: string) =>
  celMethod(name, STRING, [], BOOL, function () {
    const address = parseCidr(addressOf(this))!;
    return cidrContains(parseCidr(address.family === 4 ? prefix : prefix6)!, address);
  });

const addresses = [
  celFunc("isIP", [STRING], BOOL, (text) => isIP(text) !== 0),
  celFunc("isCIDR", [STRING], BOOL, isCidr),
  celFunc("ip", [STRING], STRING, addressOf),
  celFunc("cidr", [STRING], STRING, (text) => rangeOf(text) && text),
  celMethod("ip", STRING, [], STRING, function () {
    rangeOf(this);
    return addressOf(this.split("/")[0]!);
  }),
  celMethod("family", STRING, [], INT, function () {
    return BigInt(isIP(addressOf(this)));
  }),
  within("isUnspecified", "0.0.0.0/32", "::/128"),
  within("isLoopback", "127.0.0.0/8", "::1/128"),
  within("isLinkLocalUnicast", "169.254.0.0/16", "fe80::/10"),
  within("isLinkLocalMulticast", "224.0.0.0/24", "ff02::/16"),
  celMethod("prefixLength", STRING, [], INT, function () {
    return BigInt(rangeOf(this).length);
  }),
  celMethod("masked", STRING, [], STRING, function () {
    return formatCidr(rangeOf(this));
  }),
  celMethod("containsIP", STRING, [STRING], BOOL, function (address) {
    return cidrContains(rangeOf(this), parseCidr(addressOf(address))!);
  }),
  celMethod("containsCIDR", STRING, [STRING], BOOL, function (range) {
    return cidrContains(rangeOf(this), rangeOf(range));
  }),
];

type Ordered = string | bigint | number;
const items = (list: CelValue<typeof LIST>): Ordered[] => [...list] as unknown as Ordered[];

const edge = (name: "min" | "max") =>
  celMethod(name, LIST, [], DYN, function () {
    const best = items(this).reduce<Ordered | undefined>(
      (a, b) => (a === undefined || (name === "min" ? b < a : b > a) ? b : a),
      undefined,
    );
    return must(best, `${name} called on empty list`) as never;
  });

const lists = [
  celMethod("isSorted", LIST, [], BOOL, function () {
    return items(this).every((item, index, all) => index === 0 || all[index - 1]! <= item);
  }),
  celMethod("sum", LIST, [], DYN, function () {
    const [first = 0n, ...rest] = items(this) as number[];
    return rest.reduce((sum, item) => sum + item, first as number) as never;
  }),
  edge("min"),
  edge("max"),
];

/** All that a pattern finds in a text, at most so many. */
function findings(pattern: string, text: string, most: number): string[] {
  const matcher = RE2JS.compile(pattern).matcher(text);
  const found: string[] = [];
  while (found.length < most && matcher.find()) found.push(matcher.group() ?? "");
  return found;
}

const patterns = [
  celMethod("find", STRING, [STRING], STRING, function (pattern) {
    return findings(pattern, this, 1)[0] ?? "";
  }),
  celMethod("findAll", STRING, [STRING], LIST, function (pattern) {
    return findings(pattern, this, Number.POSITIVE_INFINITY) as never;
  }),
  celMethod("findAll", STRING, [STRING, INT], LIST, function (pattern, most) {
    return findings(pattern, this, most < 0n ? Number.POSITIVE_INFINITY : Number(most)) as never;
  }),
];

/** All of them, for an environment. */
export const KUBERNETES_FUNCTIONS = [...quantities, ...urls, ...addresses, ...lists, ...patterns, ...MORE_FUNCTIONS];
