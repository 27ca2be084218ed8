/** What two servers must say alike: an answer without what is by chance or by the clock. */
import { type Fields, isFields } from "../../src/kube/object.ts";
import type { ApiAnswer } from "./api-exchange.ts";

const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
const SERVICE_ADDRESS = /\b10\.96\.\d+\.\d+\b/g;
const AGE = /^(\d+[ydhms])+$/;
const AGO = /\((\d+[ydhms])+ ago\)/;
const ACCESS = /kube-api-access-[a-z0-9]{5}/g;
const BY_CHANCE = new Set([
  "resourceVersion",
  "continue",
  "clusterIP",
  "clusterIPs",
  "nodePort",
  "healthCheckNodePort",
]);

function plain(value: unknown, key: string): unknown {
  if (BY_CHANCE.has(key) && value !== "None" && value !== "" && value !== null) return `<${key}>`;
  if (typeof value === "string" && AGE.test(value)) return "<age>";
  if (typeof value === "string")
    return value
      .replaceAll(UID, "<uid>")
      .replaceAll(ACCESS, "kube-api-access-<random>")
      .replaceAll(TIME, "<time>")
      .replace(AGO, "(<age> ago)")
      .replaceAll(SERVICE_ADDRESS, "<clusterIP>");
  // the order of entries changes with the second in which they were made
  if (key === "managedFields" && Array.isArray(value)) return sorted(value.map((item) => plain(item, "")));
  if (Array.isArray(value))
    return key === "causes" ? sorted(value.map((item) => plain(item, ""))) : value.map((item) => plain(item, ""));
  if (!isFields(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name.replaceAll(UID, "<uid>"), plain(value[name], name)]),
  );
}

const sorted = (items: readonly unknown[]): unknown[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** An answer as it is compared and kept. */
export interface ComparableAnswer {
  readonly code: number;
  readonly type: string;
  readonly warnings?: readonly string[];
  readonly body: unknown;
}

function bodyOf(text: string): unknown {
  try {
    return plain(JSON.parse(text), "");
  } catch {
    return text;
  }
}

/** The answer without uids, times, revisions and what is drawn at random. */
export function comparable({ code, type, warnings, text }: ApiAnswer): ComparableAnswer {
  const body = bodyOf(text);
  return { code, type, ...(warnings.length > 0 ? { warnings } : {}), body };
}

/** What is kept of an answer: of a refusal its code and reason, since its words may change from run to run. */
export function kept(answer: ComparableAnswer): ComparableAnswer {
  if (answer.code < 400 || !isFields(answer.body)) return answer;
  const { code, type, body } = answer;
  return { code, type, body: { reason: body.reason } };
}

/** Every field that differs, by its path: `ours` and `theirs`. */
export function differences(
  ours: unknown,
  theirs: unknown,
  path = "",
): { path: string; ours: unknown; theirs: unknown }[] {
  if (Array.isArray(ours) && Array.isArray(theirs) && ours.length === theirs.length)
    return ours.flatMap((item, index) => differences(item, theirs[index], `${path}[${index}]`));
  if (isFields(ours) && isFields(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => differences((ours as Fields)[key], (theirs as Fields)[key], `${path}.${key}`));
  }
  return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ path, ours, theirs }];
}
