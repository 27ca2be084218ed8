import type { HttpRequestFacts } from "../policy/http-rule.ts";
import type { HeaderSection } from "../wire/hpack-decoder.ts";
import { type HttpFault, isFault } from "../wire/http-head.ts";
import { type Http2Request, readHttp2Request, requestSection } from "../wire/http2-request.ts";
import type { RequestFacts } from "./access.ts";

const TOO_LARGE: HttpFault = { fault: "header section that is too large", status: 431 };

/** A request as it was read, and what everything else makes of it. */
export interface Asked {
  readonly request: Http2Request;
  /** What policy looks at. */
  readonly judged: HttpRequestFacts;
  /** What records say. */
  readonly facts: RequestFacts;
  /** The header section as the server gets it where no rule changes the fields: names and values in turn. */
  readonly section: readonly string[];
}

/** Reads the header section of a request; `ended`: it has no body. Depends on what is given alone. */
export function readAsked(head: HeaderSection, ended: boolean): Asked | HttpFault {
  const request = head.tooLarge ? TOO_LARGE : readHttp2Request(head.section, ended);
  if (isFault(request)) return request;
  const { method, host, path, fields } = request;
  return {
    request,
    judged: { method, path, host, headers: fields },
    facts: { protocol: "HTTP/2", method, url: `http://${host}${path}` },
    section: requestSection(request, fields),
  };
}
