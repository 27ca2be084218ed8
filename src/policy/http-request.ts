/** A header as it stands in the request. */
export interface HttpHeader {
  readonly name: string;
  readonly value: string;
}

/** What an HTTP rule can look at. */
export interface HttpRequestFacts {
  readonly method: string;
  /** The request target with its query string. */
  readonly path: string;
  /** The authority, with its port when it has one. */
  readonly host: string;
  readonly headers: readonly HttpHeader[];
}

/**
 * The value of a header, its name in lower case: several headers of one name count as one, their values joined by commas.
 * `:method`, `:path`, `:authority` and `host` name the parts of the request. Undefined = the request has no such header.
 */
export function headerValue(request: HttpRequestFacts, name: string): string | undefined {
  if (name === ":method") return request.method;
  if (name === ":path") return request.path;
  if (name === ":authority" || name === "host") return request.host === "" ? undefined : request.host;
  let joined: string | undefined;
  for (const header of request.headers) {
    if (header.name.length !== name.length || header.name.toLowerCase() !== name) continue;
    joined = joined === undefined ? header.value : `${joined},${header.value}`;
  }
  return joined;
}
