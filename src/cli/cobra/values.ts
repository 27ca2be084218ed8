import { quoteGo } from "../../flow/print/index.ts";

const DIGITS: readonly (readonly [RegExp, number])[] = [
  [/^0[xX]_?([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)$/, 16],
  [/^0[bB]_?([01]+(?:_[01]+)*)$/, 2],
  [/^0[oO]?_?([0-7]+(?:_[0-7]+)*)$/, 8],
  [/^(0|[1-9][0-9]*(?:_[0-9]+)*)$/, 10],
];
const PREFIXES: Readonly<Record<number, string>> = { 16: "0x", 2: "0b", 8: "0o", 10: "" };

/**
 * An unsigned number as Go's strconv.ParseUint reads it, in base 0 (`0x10`, `1_000`) or decimal only. Throws with Go's
 * words when it is none or does not fit into `bits`.
 */
export function parseUint(text: string, bits: number, base: 0 | 10 = 0): bigint {
  const refuse = (reason: string) => new Error(`strconv.ParseUint: parsing ${quoteGo(text)}: ${reason}`);
  const forms = base === 0 ? DIGITS : ([[/^([0-9]+)$/, 10]] as const);
  for (const [form, radix] of forms) {
    const digits = form.exec(text)?.[1]?.replaceAll("_", "");
    if (digits === undefined) continue;
    const value = BigInt(`${PREFIXES[radix]}${digits}`);
    if (value >= 1n << BigInt(bits)) throw refuse("value out of range");
    return value;
  }
  throw refuse("invalid syntax");
}

/** A signed number as Go's strconv.ParseInt reads it in base 0. Throws with Go's words when it is none. */
export function parseInt64(text: string): bigint {
  const refuse = (reason: string) => new Error(`strconv.ParseInt: parsing ${quoteGo(text)}: ${reason}`);
  const isNegative = text.startsWith("-");
  let size: bigint;
  try {
    size = parseUint(text.replace(/^[-+]/, ""), 64);
  } catch (error) {
    throw refuse(String((error as Error).message).endsWith("range") ? "value out of range" : "invalid syntax");
  }
  if (size > (isNegative ? 1n << 63n : (1n << 63n) - 1n)) throw refuse("value out of range");
  return isNegative ? -size : size;
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00b5s": 1e3,
  "\u03bcs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const PART = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;
/** The longest duration that Go has: 2^63 - 1 ns. */
const LONGEST_NS = 2 ** 63;

/** Nanoseconds of a Go duration such as `1h43m`, `-250ms` or `0`. Throws with Go's words when it is none. */
export function parseDuration(text: string): number {
  const refuse = (reason: string) => new Error(`time: ${reason} ${quoteGo(text)}`);
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/su.exec(text) ?? [];
  if (rest === "0") return 0;
  const parts = [...rest.matchAll(PART)];
  if (rest === "" || parts.map(([part]) => part).join("") !== rest) throw refuse(reasonOf(rest));
  const total = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_NS[unit ?? ""] ?? 0), 0);
  if (total >= LONGEST_NS) throw refuse("invalid duration");
  return sign === "-" ? -total : total;
}

/** Go says when only the unit is what it does not understand. */
function reasonOf(rest: string): string {
  const after = rest.replace(/^(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h)(?![a-z]))*/u, "");
  const [, unit] = /^(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)([^0-9.]*)/u.exec(after) ?? [];
  if (unit === undefined) return "invalid duration";
  return unit === "" ? "missing unit in duration" : `unknown unit ${quoteGo(unit)} in duration`;
}

const UNITS = [
  ["h", 3_600_000_000_000n],
  ["m", 60_000_000_000n],
] as const;

/** A duration in Go's form: `51h2m3s`, `1.5s`, `250ms`, `0s`. */
export function durationText(ns: bigint): string {
  if (ns < 0n) return `-${durationText(-ns)}`;
  if (ns === 0n) return "0s";
  const decimal = (value: bigint, unit: bigint, name: string) => {
    const digits = String(unit).length - 1;
    const fraction =
      digits === 0
        ? ""
        : String(value % unit)
            .padStart(digits, "0")
            .replace(/0+$/, "");
    return `${value / unit}${fraction === "" ? "" : `.${fraction}`}${name}`;
  };
  if (ns < 1_000n) return `${ns}ns`;
  if (ns < 1_000_000n) return decimal(ns, 1_000n, "\u00b5s");
  if (ns < 1_000_000_000n) return decimal(ns, 1_000_000n, "ms");
  let rest = ns;
  let text = "";
  for (const [name, unit] of UNITS) {
    if (rest >= unit || text !== "") text += `${rest / unit}${name}`;
    rest %= unit;
  }
  return text + decimal(rest, 1_000_000_000n, "s");
}

/** Fields of one line of comma-separated values, `"` around what holds a comma. */
export function csvFields(text: string): string[] {
  if (text === "") return [];
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
  );
}
