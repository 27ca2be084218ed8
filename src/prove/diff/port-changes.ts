import { MAX_PORT } from "../../model/port.ts";
import { protocolName } from "../../model/protocol.ts";
import { wordOfBothEnds } from "./both-ends.ts";
import { NO_RULES, type RequestChanges, requestChanges } from "./header-edits.ts";
import { uncoveredRequest } from "./request-language.ts";
import type { SideContent } from "./side.ts";
import { ANY_REQUEST, HTTP_RULE, isCovered, type RequestWord, type Word } from "./word.ts";

/** What became possible, or no longer is, at some ports of a connection. */
export interface PortChange {
  /** `edited`: requests pass as before, and something else is done to their headers. */
  readonly kind: "opened" | "closed" | "edited";
  /** `TCP`; `ANY` = every protocol but those in `except`. */
  readonly protocol: string;
  readonly except?: readonly string[];
  readonly first: number;
  readonly last: number;
  /** Only these requests, or what cannot be read as one. Absent = everything. */
  readonly requests?: readonly string[];
  /** What changed is who must have proven who they are. */
  readonly authentication?: string;
}

const UNKNOWN = "unknown, compared as written";

/** Whether it is not known that anything changes: what the rules say differs, and what they mean could not be compared. */
export function isUnknown({ requests = [] }: PortChange): boolean {
  return requests.some((text) => text.includes(`(${UNKNOWN}`));
}

/** Both ends of a connection in both worlds. */
export interface FourSides {
  readonly before: readonly [egress: SideContent, ingress: SideContent];
  readonly after: readonly [egress: SideContent, ingress: SideContent];
}

type Words = readonly [egress: Word, ingress: Word];

/** Everything that differs between two worlds for one connection; none = it may do the same in both. */
export function portChanges({ before, after }: FourSides): PortChange[] {
  const sides = [...before, ...after];
  const protocols = [...new Set(sides.flatMap(({ parts }) => [...parts.keys()]))].sort((a, b) => a - b);
  const byProtocol = protocols.map((protocol) => changesOf(protocol, { before, after }));
  const [rest = [], ...named] = byProtocol;
  if (rest.length === 0) return named.flat();
  // Protocols that change like those that nobody names are not named either.
  const text = wholeText(rest);
  const others = named.flatMap((changes, index) => (wholeText(changes) === text ? [] : [{ changes, index }]));
  const except = others.map(({ index }) => protocolName(protocols[index + 1]!));
  return [
    ...rest.map((change) => (except.length === 0 ? change : { ...change, except })),
    ...others.flatMap(({ changes }) => changes),
  ];
}

/** The changes without the protocol's name, as one text. */
function wholeText(changes: readonly PortChange[]): string {
  return JSON.stringify(changes.map((change) => ({ ...change, protocol: "" })));
}

function changesOf(protocol: number, { before, after }: FourSides): PortChange[] {
  const lists = [...before, ...after].map(({ parts }) => parts.get(protocol) ?? parts.get(0)!);
  const starts = [...new Set(lists.flatMap((list) => list.map(({ first }) => first)))].sort((a, b) => a - b);
  const found: PortChange[] = [];
  /** Of the part just before, to be gone on with. */
  let open: { text: string; from: number } = { text: "", from: 0 };
  for (const [index, first] of starts.entries()) {
    const [a, b, c, d] = lists.map((list) => list.findLast((part) => part.first <= first)!.word) as [
      Word,
      Word,
      Word,
      Word,
    ];
    const whole = differences([a, b], [c, d]);
    const last = (starts[index + 1] ?? MAX_PORT + 1) - 1;
    const text = JSON.stringify(whole);
    if (text === open.text) {
      for (let at = open.from; at < found.length; at++) found[at] = { ...found[at]!, last };
      continue;
    }
    open = { text, from: found.length };
    found.push(...whole.map(({ kind, ...more }) => ({ kind, protocol: protocolName(protocol), first, last, ...more })));
  }
  return found;
}

type Difference = Pick<PortChange, "kind" | "requests" | "authentication">;

const DIRECTIONS = ["egress", "ingress"] as const;

function differences(before: Words, after: Words): Difference[] {
  const [was, is] = [isOpen(before), isOpen(after)];
  if (!was && !is) return [];
  if (was !== is) {
    const requests = narrowed(is ? after : before);
    return [{ kind: is ? "opened" : "closed", ...(requests.length === 0 ? {} : { requests }) }];
  }
  return [
    ...(changesOfBothEnds(before, after) ??
      DIRECTIONS.flatMap((direction, index) => requestDifferences(direction, before[index]!, after[index]!))),
    ...DIRECTIONS.flatMap((direction, index) => authChange(direction, before[index]!, after[index]!)),
  ];
}

/** Undefined where each end may be looked at alone, or where that is all that can be done. */
function changesOfBothEnds(before: Words, after: Words): Difference[] | undefined {
  const changed = DIRECTIONS.filter((_, index) => before[index]!.text !== after[index]!.text);
  const isJudgedTwice = DIRECTIONS.every((_, index) => before[index]!.chain ?? after[index]!.chain);
  if (changed.length === 0 || !isJudgedTwice) return undefined;
  const [was, is] = [wordOfBothEnds(...before), wordOfBothEnds(...after)];
  if (was === undefined || is === undefined) return undefined;
  const title = changed.join(" and ");
  const http = requestChanges(was.chain ?? NO_RULES, is.chain ?? NO_RULES);
  if (http === "unknown") {
    const isEdited = [before, after].some(
      ([egress, ingress]) => egress.chain?.isEditing && ingress.chain?.looksAtHeaders,
    );
    return isEdited ? [{ kind: "edited", requests: [`${title}: ${TOGETHER} (${UNKNOWN})`] }] : undefined;
  }
  return [
    ...gained("opened", title, was, is, http),
    ...gained("closed", title, is, was, http),
    ...edited(title, was, is, http),
  ];
}

const TOGETHER = "requests whose headers the egress end edits and the ingress end looks at";

function requestDifferences(direction: string, x: Word, y: Word): Difference[] {
  const http = httpChanges(x, y);
  return [
    ...gained("opened", direction, x, y, http),
    ...gained("closed", direction, y, x, http),
    ...edited(direction, x, y, http),
  ];
}

/** Undefined = nobody looks at headers: requests are sets. */
function httpChanges(x: Word, y: Word): RequestChanges | "unknown" | undefined {
  if (x.text === y.text || ![x, y].some(({ chain }) => chain?.looksAtHeaders)) return undefined;
  const [before, after] = [x, y].map(({ chain, requests }) => chain ?? (requests === undefined ? NO_RULES : undefined));
  return before === undefined || after === undefined ? "unknown" : requestChanges(before, after);
}

function edited(direction: string, x: Word, y: Word, http: RequestChanges | "unknown" | undefined): Difference[] {
  if (http === undefined || ![x, y].some(({ chain }) => chain?.isEditing)) return [];
  if (http !== "unknown")
    return http.edited.length === 0
      ? []
      : [{ kind: "edited", requests: [`${direction}: ${[...http.edited].sort().join(" or ")}`] }];
  const texts = [x, y].map(({ chain, requests }) =>
    chain?.isEditing
      ? [...requests!.values()]
          .map(({ text }) => text)
          .sort()
          .join(" or ")
      : "no header edited",
  );
  return [{ kind: "edited", requests: [`${direction}: ${texts.join(" before; after ")} (${UNKNOWN})`] }];
}

function isOpen(words: Words): boolean {
  return words.every(({ isDenied }) => !isDenied);
}

/** What a connection that may be made must keep to. */
function narrowed(words: Words): string[] {
  return words.flatMap(({ requests, authType }, index) => [
    ...(requests === undefined
      ? []
      : [
          `${DIRECTIONS[index]}: ${[...requests.values()]
            .map(({ text }) => text)
            .sort()
            .join(" or ")}`,
        ]),
    ...(authType === 0 ? [] : [`${DIRECTIONS[index]}: after authentication`]),
  ]);
}

const UNREADABLE = "what the proxy cannot read as a request";

/** What `to` lets pass and `from` does not; `http`: what is known already of HTTP requests. */
function gained(
  kind: "opened" | "closed",
  direction: string,
  from: Word,
  to: Word,
  http: RequestChanges | "unknown" | undefined,
): Difference[] {
  if (from.requests === undefined) return [];
  const known = http === undefined || http === "unknown" ? undefined : http[kind];
  const texts =
    to.requests === undefined
      ? [from.requests.has(ANY_REQUEST) ? UNREADABLE : "everything else"]
      : [...to.requests].flatMap(([key, word]) =>
          isCovered(key, from.requests!) || (known !== undefined && key.startsWith(HTTP_RULE))
            ? []
            : beyond(word, to.requests!, from.requests!),
        );
  if (to.requests !== undefined) texts.push(...(known ?? []));
  if (texts.length === 0) return [];
  return [{ kind, requests: [`${direction}: ${texts.sort().join(" or ")}`] }];
}

/** The rule as people read it, with a request that shows what is new; none where the others let pass all that it does. */
function beyond({ text, rule, missing }: RequestWord, own: Requests, others: Requests): string[] {
  const all = [...own.values(), ...others.values()];
  // Rules that edit headers decide what those behind them see.
  if (rule === undefined || (rule.demands.length > 0 && all.some((word) => word.rule === undefined))) return [text];
  const found = uncoveredRequest(
    rule,
    [...others.values()].flatMap((other) => other.rule ?? []),
  );
  if (found === undefined) return [];
  if (missing !== undefined) return [`${text} (${UNKNOWN}: ${missingText(missing)})`];
  // It takes all that there is: an example says no more.
  if (rule.isConnection && rule.server === undefined) return [text];
  if (found === "unknown") return [`${text} (${UNKNOWN})`];
  return [found.request === text ? text : `${text}, as in ${found.request}`];
}

function missingText(secrets: readonly string[]): string {
  return `missing is the value of Secret ${secrets.join(", ")}`;
}

type Requests = ReadonlyMap<string, RequestWord>;

const AUTHENTICATION = ["none", "mutual authentication", "authentication that always fails"];

/** Where more is asked than before, those who cannot prove who they are have lost; and the other way round. */
function authChange(direction: string, { authType: before }: Word, { authType: after }: Word): Difference[] {
  if (before === after) return [];
  const authentication = `${direction}: ${AUTHENTICATION[before]} before, ${AUTHENTICATION[after]} after`;
  return [{ kind: after > before ? "closed" : "opened", authentication }];
}
