import type { Flow, FlowFilter, HTTP } from "../../../proto/gen/flow_pb.js";
import { EventType } from "../decode/event.ts";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";
import { compileRegex } from "./regex.ts";

function httpOf(flow: Flow): HTTP | undefined {
  return flow.l7?.record.case === "http" ? flow.l7.record.value : undefined;
}

function statusTest(pattern: string): (code: number) => boolean {
  if (/^[1-5][0-9]{2}$/.test(pattern)) return (code) => String(code) === pattern;
  if (/^[1-5][0-9]?\+$/.test(pattern)) return (code) => String(code).startsWith(pattern.slice(0, -1));
  throw new FilterError(`invalid http status code prefix: ${JSON.stringify(pattern)}, must be like 404, 5+ or 40+`);
}

/** Path of an absolute or origin-form target; a parser is not needed to find it. */
function pathOf(url: string): string {
  const afterScheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#]*/.exec(url)?.[0].length ?? 0;
  const rest = url.slice(afterScheme);
  const path = rest.split(/[?#]/, 1)[0] ?? "";
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function checkEventType(filter: FlowFilter): void {
  const fields: readonly [string, number][] = [
    ["status code", filter.httpStatusCode.length],
    ["method", filter.httpMethod.length],
    ["path", filter.httpPath.length],
    ["url", filter.httpUrl.length],
    ["headers", filter.httpHeader.length],
  ];
  const used = fields.find(([, count]) => count > 0);
  if (!used || filter.eventType.length === 0 || filter.eventType.some(({ type }) => type === EventType.L7)) return;
  throw new FilterError(`filtering by http ${used[0]} requires the event type filter to only match 'l7' events`);
}

/** http_status_code, http_method, http_path, http_url, http_header. */
export function httpTests(filter: FlowFilter): FlowTest[] {
  checkEventType(filter);
  const status = filter.httpStatusCode.map(statusTest);
  const paths = filter.httpPath.map((pattern) => compileRegex("http_path", pattern));
  const urls = filter.httpUrl.map((pattern) => compileRegex("http_url", pattern));
  const field = <T>(values: readonly T[], match: (value: T, http: HTTP) => boolean) =>
    anyOf(values, (value, flow) => {
      const http = httpOf(flow);
      return http !== undefined && match(value, http);
    });
  return [
    ...field(status, (test, http) => http.code !== 0 && test(http.code)),
    ...field(filter.httpMethod, (method, http) => http.method.toLowerCase() === method.toLowerCase()),
    ...field(paths, (test, http) => test(pathOf(http.url))),
    ...field(urls, (test, http) => test(http.url)),
    ...field(filter.httpHeader, (wanted, http) =>
      http.headers.some(({ key, value }) => key === wanted.key && value === wanted.value),
    ),
  ];
}
