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
