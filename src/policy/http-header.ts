import { type HttpHeader, type HttpRequestFacts, headerValue } from "./http-request.ts";
import type { HeaderMatch, HttpRule, MismatchAction } from "./l7-rule.ts";

/** Values of secrets by `namespace/name`. */
export type Secrets = ReadonlyMap<string, string>;

/** What a rule wants done to a request whose header does not match. `log` is for the access log only. */
export interface HeaderAction {
  readonly kind: "add" | "delete" | "replace" | "log";
  readonly name: string;
  /** The value that the rule wants; absent with `delete`. */
  readonly value?: string;
  /** The value came from a secret: it must not be written to a log. */
  readonly isSecret?: true;
}

/** A header that must be there, with this value unless it is undefined. The name is in lower case. */
export interface HeaderCheck {
  readonly name: string;
  readonly value: string | undefined;
}

/** A header that needs a secret or has an action; judged after everything else about the rule. */
export interface HeaderDemand {
  readonly name: string;
  readonly value: string;
  readonly secret: string | undefined;
  readonly mismatch: MismatchAction | undefined;
}

/**
 * The `headers` of a rule and those `headerMatches` that are no different: no secret, and a mismatch fails the rule.
 * `Name: value` wants exactly this value, `Name` presence; the name ends at the first space.
 */
export function headerChecks({ headers = [], headerMatches = [] }: HttpRule): readonly HeaderCheck[] {
  const written = headers.map((text) => {
    const space = text.indexOf(" ");
    if (space === -1) return { name: text.toLowerCase(), value: undefined };
    return { name: text.slice(0, space).replace(/:+$/, "").toLowerCase(), value: text.slice(space + 1) };
  });
  const plain = headerMatches.filter((match) => !isDemand(match));
  return [...written, ...plain.map(({ name, value }) => ({ name: name.toLowerCase(), value: value || undefined }))];
}

/** Names, in lower case, of the headers that a rule looks at. */
export function headerNames(rule: HttpRule): readonly string[] {
  return [...headerChecks(rule), ...headerDemands(rule)].map(({ name }) => name);
}

function isDemand({ secret, mismatch }: HeaderMatch): boolean {
  return secret !== undefined || mismatch !== undefined;
}

/** The `headerMatches` that are not among `headerChecks`, in their order. */
export function headerDemands({ headerMatches = [] }: HttpRule): readonly HeaderDemand[] {
  return headerMatches.filter(isDemand).map(({ name, value = "", secret, mismatch }) => {
    return { name: name.toLowerCase(), value, secret, mismatch };
  });
}

export function meetsChecks(checks: readonly HeaderCheck[], request: HttpRequestFacts): boolean {
  for (const { name, value } of checks) {
    const found = headerValue(request, name);
    if (found === undefined || (value !== undefined && found !== value)) return false;
  }
  return true;
}

/**
 * Judges one demand; adds to `actions` what it wants done. False = the rule does not match: the header mismatches and has no
 * action, or the secret is missing and no value stands in for it. An empty value (or secret) wants presence only.
 */
export function meetsDemand(
  demand: HeaderDemand,
  request: HttpRequestFacts,
  secrets: Secrets | undefined,
  actions: HeaderAction[],
): boolean {
  const { name, mismatch } = demand;
  const secret = demand.secret === undefined ? undefined : secrets?.get(demand.secret);
  if (demand.secret !== undefined && secret === undefined && demand.value === "") return false;
  const value = secret || demand.value;
  const found = headerValue(request, name);
  if (value === "" ? found !== undefined : found !== undefined && isEqualInConstantTime(found, value)) return true;
  if (mismatch === undefined) return false;
  if (mismatch === "DELETE") {
    if (value !== "" && found !== undefined) actions.push({ kind: "delete", name });
    return true;
  }
  const kind = ({ LOG: "log", ADD: "add", REPLACE: "replace" } as const)[mismatch];
  actions.push({ kind, name, value, ...(secret ? { isSecret: true } : {}) });
  return true;
}

/** Tells by the time it takes no more than the length: the value may be a secret. */
function isEqualInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}

/** The request as it is after actions. */
export function afterActions(request: HttpRequestFacts, actions: readonly HeaderAction[]): HttpRequestFacts {
  return actions.length === 0 ? request : { ...request, headers: actions.reduce(applyHeaderAction, request.headers) };
}

/** The headers as they are after an action. */
export function applyHeaderAction(headers: readonly HttpHeader[], action: HeaderAction): readonly HttpHeader[] {
  if (action.kind === "log") return headers;
  const kept = action.kind === "add" ? headers : headers.filter((header) => header.name.toLowerCase() !== action.name);
  return action.kind === "delete" ? kept : [...kept, { name: action.name, value: action.value ?? "" }];
}

/**
 * The indexes of rules in the order in which Cilium gives them to its proxy: fewer conditions first, then by the names of the
 * headers that the conditions are on, a wanted value before mere presence.
 */
export function inJudgingOrder(rules: readonly HttpRule[]): readonly number[] {
  const keys = rules.map(orderKey);
  return rules.map((_, index) => index).sort((a, b) => compareKeys(keys[a] ?? [], keys[b] ?? []));
}

function orderKey({ method, path, host, headers = [], headerMatches = [] }: HttpRule): readonly string[] {
  const key = [method && ":method", path && ":path", host && ":authority"].filter((name) => name) as string[];
  for (const text of headers) {
    const space = text.indexOf(" ");
    key.push(space === -1 ? `${text}\0present` : text.slice(0, space).replace(/:+$/, ""));
  }
  for (const match of headerMatches) {
    if (!isDemand(match)) key.push(match.value ? match.name : `${match.name}\0present`);
  }
  return key.sort(compareText);
}

function compareKeys(a: readonly string[], b: readonly string[]): number {
  if (a.length !== b.length) return a.length - b.length;
  for (const [i, text] of a.entries()) {
    const order = compareText(text, b[i] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
