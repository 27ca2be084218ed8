import type { L7Facts } from "../policy/judge-l7.ts";

/** What is known of a request, in people's words. */
export interface RequestText {
  /** `GET /path` or `GET http://host/path`. */
  readonly http?: string | undefined;
  /** `Name: value`. */
  readonly headers?: readonly string[] | undefined;
  readonly dns?: string | undefined;
  readonly sni?: string | undefined;
}

/** Throws an Error that says how to write it. */
export function readRequest({ http, headers = [], dns, sni }: RequestText): L7Facts {
  if (headers.length > 0 && http === undefined) throw new Error("a header needs the request: 'METHOD /path'");
  return {
    ...(http === undefined ? {} : { http: httpFacts(http, headers) }),
    ...(dns === undefined ? {} : { dns }),
    ...(sni === undefined ? {} : { sni }),
  };
}

function httpFacts(text: string, lines: readonly string[]): NonNullable<L7Facts["http"]> {
  const [, method, url] = /^([A-Za-z]+) (\S+)$/.exec(text.trim()) ?? [];
  const [, host = "", path] = /^(?:https?:\/\/([^/]+))?(\/\S*)?$/.exec(url ?? "?") ?? [];
  if (method === undefined || (path === undefined && host === ""))
    throw new Error(`the request '${text}': write 'GET /path' or 'GET http://host/path'`);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`the header '${line}': write 'Name: value'`);
    return { name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() };
  });
  return { method, path: path ?? "/", host, headers };
}
