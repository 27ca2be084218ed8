/** What lists and watches may ask for together, as Kubernetes judges it. */
import { forbiddenValue, unsupported } from "../../schema/field-error.ts";
import { badRequest, type FieldError, invalid, KubeError } from "../../status.ts";

const MATCH = "resourceVersionMatch";
const MATCHES = ["Exact", "NotOlderThan"];

function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0)
    throw invalid({ group: "meta.k8s.io", resource: "listoptions", kind: "ListOptions" }, "", errors);
}

/** Throws 400 for counts that are no numbers. */
export function checkCounts(query: URLSearchParams): void {
  for (const name of ["timeoutSeconds", "limit"]) {
    const value = query.get(name) ?? "";
    if (value !== "" && !/^[+-]?\d+$/.test(value))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
}

/** Throws 400 for a revision that is none: `resourceVersion` is a number, or empty. */
export function checkRevisionText(query: URLSearchParams): void {
  const value = query.get("resourceVersion") ?? "";
  const isNumber = /^\d+$/.test(value);
  if (value === "" || (isNumber && BigInt(value) < 1n << 64n)) return;
  const why = `strconv.ParseUint: parsing ${JSON.stringify(value)}: ${isNumber ? "value out of range" : "invalid syntax"}`;
  throw badRequest(`invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(value)}: ${why}`);
}

/** 504: a revision that is yet to come; the client may ask again. */
export function tooLargeRevision(asked: string, current: number): KubeError {
  const message = `Timeout: Too large resource version: ${asked}, current: ${current}`;
  const cause = { reason: "ResourceVersionTooLarge", message: "Too large resource version" };
  return new KubeError(504, "Timeout", message, { causes: [cause], retryAfterSeconds: 1 });
}

/** Throws 422 for options that a watch cannot honour together. */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get(MATCH) ?? "";
  const isStreamingList = query.has("sendInitialEvents");
  const errors: FieldError[] = [];
  if (isStreamingList && match !== "NotOlderThan")
    errors.push(forbiddenValue(MATCH, `sendInitialEvents requires setting ${MATCH} to NotOlderThan`));
  if (!isStreamingList && match !== "")
    errors.push(forbiddenValue(MATCH, `${MATCH} is forbidden for watch unless sendInitialEvents is provided`));
  if (match !== "" && match !== "NotOlderThan") errors.push(unsupported(MATCH, match, ["NotOlderThan"]));
  if (match !== "" && query.get("continue"))
    errors.push(forbiddenValue(MATCH, `${MATCH} is forbidden when continue is provided`));
  refuse(errors);
}

/** Throws 422 for options that a list cannot honour together. */
export function checkListOptions(query: URLSearchParams): void {
  const match = query.get(MATCH) ?? "";
  const revision = query.get("resourceVersion") ?? "";
  const errors: FieldError[] = [];
  if (match !== "" && revision === "")
    errors.push(forbiddenValue(MATCH, `${MATCH} is forbidden unless resourceVersion is provided`));
  if (match !== "" && query.get("continue"))
    errors.push(forbiddenValue(MATCH, `${MATCH} is forbidden when continue is provided`));
  if (match !== "" && !MATCHES.includes(match)) errors.push(unsupported(MATCH, match, [...MATCHES, ""]));
  if (match === "Exact" && revision === "0")
    errors.push(forbiddenValue(MATCH, `${MATCH} "exact" is forbidden for resourceVersion "0"`));
  if (query.has("sendInitialEvents"))
    errors.push(forbiddenValue("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  refuse(errors);
}
