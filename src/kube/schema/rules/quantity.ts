const FORM = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?$/;
const BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/** Kubernetes' own words for text that is no amount. */
export const NO_QUANTITY =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** The number that an amount as `64Mi` or `100m` stands for, near enough to compare; undefined for text that is none. */
export function quantity(text: string): number | undefined {
  const found = FORM.exec(text);
  if (!found) return undefined;
  const [, digits, binary, decimal = "", exponent] = found;
  if (binary) return Number(digits) * 1024 ** (BINARY.indexOf(binary) + 1);
  return Number(digits) * 10 ** (exponent === undefined ? 3 * (DECIMAL.indexOf(decimal) - 3) : Number(exponent));
}

/** The same in whole billionths, rounded up as Kubernetes does; undefined for text that is no amount. */
export function exactQuantity(text: string): bigint | undefined {
  const found = FORM.exec(text);
  if (!found) return undefined;
  const [, digits = "", binary, decimal = "", exponent] = found;
  const [whole = "", fraction = ""] = digits.replace(/^[+-]/, "").split(".");
  const power = 9 - fraction.length + (binary ? 0 : Number(exponent ?? 3 * (DECIMAL.indexOf(decimal) - 3)));
  if (Math.abs(power) > 200) return undefined;
  const value = BigInt(whole + fraction) * (binary ? 1024n ** BigInt(BINARY.indexOf(binary) + 1) : 1n);
  const scale = 10n ** BigInt(Math.abs(power));
  const size = power < 0 ? (value + scale - 1n) / scale : value * scale;
  return digits.startsWith("-") ? -size : size;
}
