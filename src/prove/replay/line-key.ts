/** Where a line's time stands, and what of the line policy can look at. */
export interface LineKey {
  /** The line without what differs from packet to packet and tells nothing of policy; equal keys are counted alike. */
  readonly key: string;
  /** RFC 3339. */
  readonly time: string;
}

const TIME = '"time":"';
/** Texts that never matter; their values end at the next quote. */
const PASSING = ['"uuid":"', '"latency_ns":"', '"trace_id":"'];
/** Headers that differ from request to request. */
const PASSING_HEADERS = /("key":"(?:X-Request-Id|Traceparent|Date|Age)","value":")[^"\\]*/g;

/**
 * Cuts out of a line, as Hubble prints it, what differs between flows that are otherwise one: times, ids, the port that the client happened to have.
 * Undefined = it is not plain which port that is; such a line is read as a whole. `keepsHeaders`: rules look at headers.
 */
export function lineKeyOf(line: string, keepsHeaders: boolean): LineKey | undefined {
  const timeAt = line.indexOf(TIME);
  const port = ephemeralPort(line);
  if (timeAt < 0 || port === undefined) return undefined;
  const cuts: [start: number, end: number][] = [];
  const cutText = (at: number, marker: string) => {
    if (at < 0) return;
    const start = at + marker.length;
    const end = line.indexOf('"', start);
    if (end > start) cuts.push([start, end]);
  };
  cutText(timeAt, TIME);
  const lastTime = line.lastIndexOf(TIME);
  if (lastTime > timeAt) cutText(lastTime, TIME);
  for (const marker of PASSING) cutText(line.indexOf(marker), marker);
  const portAt = line.indexOf(port);
  if (portAt >= 0) {
    const start = portAt + port.length;
    let end = start;
    while (isDigit(line.charCodeAt(end))) end++;
    cuts.push([start, end]);
  }
  const time = line.slice(timeAt + TIME.length, line.indexOf('"', timeAt + TIME.length));
  const key = without(line, cuts);
  const isHttp = !keepsHeaders && key.includes('"headers":[');
  return { key: isHttp ? key.replace(PASSING_HEADERS, "$1") : key, time };
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function without(line: string, cuts: [start: number, end: number][]): string {
  let key = "";
  let at = 0;
  for (const [start, end] of cuts.sort((a, b) => a[0] - b[0])) {
    if (start < at) continue;
    key += line.slice(at, start);
    at = end;
  }
  return key + line.slice(at);
}

const SOURCE_PORT = '"source_port":';
const DESTINATION_PORT = '"destination_port":';

/** The field of the port that the client happened to have: a reply goes to it, all others come from it. */
function ephemeralPort(line: string): string | undefined {
  if (line.includes('"is_reply":false')) return line.includes('"RESPONSE"') ? undefined : SOURCE_PORT;
  if (line.includes('"is_reply":true')) return line.includes('"REQUEST"') ? undefined : DESTINATION_PORT;
  const isDrop = line.includes('"verdict":"DROPPED"') && !line.includes('"reply":true') && !line.includes('"REPLY"');
  return isDrop && !line.includes('"RESPONSE"') ? SOURCE_PORT : undefined;
}

let lastDay = "";
let lastDayMs = 0;

/** Milliseconds of `2026-11-27T10:00:01.123456789Z`; other forms are read as JavaScript reads them. */
export function millisecondsOfText(text: string): number | undefined {
  if (text.length < 20 || text.charCodeAt(text.length - 1) !== 90) return plainMs(text);
  const day = text.slice(0, 10);
  if (day !== lastDay) {
    const ms = Date.parse(`${day}T00:00:00Z`);
    if (Number.isNaN(ms)) return undefined;
    lastDay = day;
    lastDayMs = ms;
  }
  const two = (at: number) => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
  const fraction = text.length > 20 ? Number(text.slice(19, -1)) : 0;
  const ms = lastDayMs + two(11) * 3_600_000 + two(14) * 60_000 + two(17) * 1000 + fraction * 1000;
  return Number.isFinite(ms) ? ms : undefined;
}

function plainMs(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
