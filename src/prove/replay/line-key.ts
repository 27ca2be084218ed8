/**
 * Parts of a line that tell nothing of policy: pairs of a start and an end. What is left of two lines is equal only where both are
 * counted alike.
 */
export type LineCuts = readonly number[];

/** A line's cuts, and where its time stands. */
export interface CutLine {
  readonly cuts: LineCuts;
  readonly timeStart: number;
  readonly timeEnd: number;
}

const bytesOf = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** What is searched for, with how far to go on where a byte is found in its last place, or back where in its first (Horspool). */
interface Marker {
  readonly bytes: Uint8Array;
  readonly onward: Uint8Array;
  readonly back: Uint8Array;
}

function markerOf(text: string): Marker {
  const bytes = bytesOf(text);
  const [onward, back] = [new Uint8Array(256).fill(bytes.length), new Uint8Array(256).fill(bytes.length)];
  for (let i = 0; i < bytes.length - 1; i++) onward[bytes[i]!] = bytes.length - 1 - i;
  for (let i = bytes.length - 1; i > 0; i--) back[bytes[i]!] = i;
  return { bytes, onward, back };
}

const HEADS = ['{"flow":{"time":"', '{"time":"'].map(bytesOf);
const UUID = bytesOf('","uuid":"');
const LAYER = markerOf('"l4":{"');
const SOURCE = bytesOf('":{"source_port":');
const DESTINATION = bytesOf(',"destination_port":');
const TIME = bytesOf('"time":"');
const WAY = markerOf('"is_reply":');
const [FORWARD, REPLY] = ["false", "true"].map(bytesOf) as [Uint8Array, Uint8Array];
const EVENT = markerOf('"event_type":{"type":');
const L7 = bytesOf("129");
const LATENCY = markerOf('"latency_ns":"');
const TRACE_ID = markerOf('"trace_id":"');
const REQUEST_ID = markerOf('"key":"X-Request-Id","value":"');
const REQUEST = markerOf('"type":"REQUEST"');
const RESPONSE = markerOf('"type":"RESPONSE"');
const ICMP = bytesOf("ICMPv");
const QUOTE = 34;
const UUID_BYTES = 36;
/** Before the layer stand the verdict and the addresses; behind the way it went, the rules that decided. */
const MOST_BEFORE_LAYER = 1000;
const MOST_BEHIND_WAY = 6000;
const MOST_BEFORE_WAY = 1000;
const MOST_TIME_BYTES = 40;

/**
 * Finds, in a line as Hubble prints it, what differs between flows that are otherwise one: times, ids, the port that the client happened to
 * have. Undefined = the line is not of that form, or it is not plain which port that is: it must be read as a whole. `keepsHeaders`: rules look
 * at headers of requests.
 */
export function cutsOf(bytes: Uint8Array, start: number, end: number, keepsHeaders: boolean): CutLine | undefined {
  const head = HEADS.find((each) => isAt(bytes, start, each));
  if (head === undefined) return undefined;
  const timeStart = start + head.length;
  const timeEnd = endOfText(bytes, timeStart, Math.min(end, timeStart + MOST_TIME_BYTES));
  // 90 is the Z of a time that `millisecondsAt` reads
  if (timeEnd < 0 || bytes[timeEnd - 1] !== 90 || !isAt(bytes, timeEnd, UUID)) return undefined;
  const uuid = timeEnd + UUID.length;
  if (bytes[uuid + UUID_BYTES] !== QUOTE) return undefined;
  const way = wayOf(bytes, uuid, end);
  const port = way && portOf(bytes, uuid, end, way);
  if (way === undefined || port === undefined) return undefined;
  const cuts = [timeStart, timeEnd, uuid, uuid + UUID_BYTES, ...port];
  if (way.isL7) {
    if (find(bytes, way.isReply ? REQUEST : RESPONSE, uuid, way.at) >= 0) return undefined;
    for (const [marker, from] of [
      [LATENCY, uuid],
      [TRACE_ID, way.at],
      ...(keepsHeaders ? [] : [[REQUEST_ID, uuid] as const]),
    ] as const)
      cutText(bytes, marker, from, end, cuts);
  }
  if (head === HEADS[0] && !cutLastTime(bytes, cuts, end)) return undefined;
  return { cuts: isAscending(cuts) ? cuts : sorted(cuts), timeStart, timeEnd };
}

interface Way {
  readonly isReply: boolean;
  readonly isL7: boolean;
  readonly at: number;
}

/** Which way the packet went, read backwards: what stands before it is longer. */
function wayOf(bytes: Uint8Array, start: number, end: number): Way | undefined {
  const first = Math.max(start, end - MOST_BEHIND_WAY);
  for (let at = findLast(bytes, WAY, first, end); at >= 0; at = findLast(bytes, WAY, first, at)) {
    const word = at + WAY.bytes.length;
    const isReply = isAt(bytes, word, REPLY);
    if (!isReply && !isAt(bytes, word, FORWARD)) continue;
    // The kind of event comes shortly before.
    const event = findLast(bytes, EVENT, Math.max(start, at - MOST_BEFORE_WAY), at);
    return event < 0 ? undefined : { isReply, isL7: isAt(bytes, event + EVENT.bytes.length, L7), at };
  }
  return undefined;
}

/** The digits of the port that the client happened to have: a reply goes to it, all others come from it. Empty = there are no ports. */
function portOf(bytes: Uint8Array, start: number, end: number, { isReply }: Way): number[] | undefined {
  const layer = find(bytes, LAYER, start, Math.min(end, start + MOST_BEFORE_LAYER));
  if (layer < 0) return undefined;
  const name = layer + LAYER.bytes.length;
  if (isAt(bytes, name, ICMP)) return [];
  const nameEnd = endOfText(bytes, name, name + 8);
  if (nameEnd < 0 || !isAt(bytes, nameEnd, SOURCE)) return undefined;
  const source = nameEnd + SOURCE.length;
  const sourceEnd = endOfDigits(bytes, source);
  if (!isReply) return [source, sourceEnd];
  if (!isAt(bytes, sourceEnd, DESTINATION)) return undefined;
  const destination = sourceEnd + DESTINATION.length;
  return [destination, endOfDigits(bytes, destination)];
}

/** Cuts the response's own time, the last field of all. */
function cutLastTime(bytes: Uint8Array, cuts: number[], end: number): boolean {
  const close = end - 2;
  if (bytes[close] !== QUOTE) return false;
  let open = close - 1;
  while (open > close - MOST_TIME_BYTES && bytes[open] !== QUOTE) open--;
  if (!isAt(bytes, open + 1 - TIME.length, TIME)) return false;
  cuts.push(open + 1, close);
  return true;
}

function cutText(bytes: Uint8Array, marker: Marker, from: number, end: number, cuts: number[]): void {
  const at = find(bytes, marker, from, end);
  const start = at + marker.bytes.length;
  const close = at < 0 ? -1 : endOfText(bytes, start, end);
  if (close > start) cuts.push(start, close);
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

function find(bytes: Uint8Array, { bytes: wanted, onward }: Marker, from: number, end: number): number {
  const last = wanted.length - 1;
  for (let at = from; at + last < end; at += onward[bytes[at + last]!]!) if (isAt(bytes, at, wanted)) return at;
  return -1;
}

/** The last one that ends before `end`. */
function findLast(bytes: Uint8Array, { bytes: wanted, back }: Marker, from: number, end: number): number {
  for (let at = end - wanted.length; at >= from; at -= back[bytes[at]!]!) if (isAt(bytes, at, wanted)) return at;
  return -1;
}

/** Where a text without escapes ends; -1 = it has some, or does not end. */
function endOfText(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] === 92) return -1;
  }
  return -1;
}

function endOfDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! >= 48 && bytes[at]! <= 57) at++;
  return at;
}

function isAscending(cuts: readonly number[]): boolean {
  for (let i = 2; i < cuts.length; i += 2) if (cuts[i]! < cuts[i - 2]!) return false;
  return true;
}

function sorted(cuts: readonly number[]): number[] {
  const pairs = Array.from({ length: cuts.length / 2 }, (_, i) => [cuts[i * 2]!, cuts[i * 2 + 1]!] as const);
  return pairs.sort((a, b) => a[0] - b[0]).flat();
}

/** Milliseconds since the epoch of `2026-11-27T10:00:01.123456789Z`; undefined = it is not of that form. */
export function millisecondsAt(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start < 20 || bytes[end - 1] !== 90) return undefined;
  const two = (at: number) => (bytes[start + at]! - 48) * 10 + bytes[start + at + 1]! - 48;
  const day = dayMs(two(0) * 100 + two(2), two(5), two(8));
  let fraction = 0;
  for (let at = end - 2; at > start + 19; at--) fraction = (fraction + bytes[at]! - 48) / 10;
  const ms = day + two(11) * 3_600_000 + two(14) * 60_000 + (two(17) + fraction) * 1000;
  return Number.isFinite(ms) ? ms : undefined;
}

let lastDay = -1;
let lastDayMs = Number.NaN;

function dayMs(year: number, month: number, day: number): number {
  const text = (year * 100 + month) * 100 + day;
  if (text !== lastDay) {
    const pad = (value: number) => String(value).padStart(2, "0");
    lastDayMs = Date.parse(`${year}-${pad(month)}-${pad(day)}T00:00:00Z`);
    lastDay = text;
  }
  return lastDayMs;
}
