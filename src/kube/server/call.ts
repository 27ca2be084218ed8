import type { IncomingMessage, ServerResponse } from "node:http";
import type { Api, User } from "./context.ts";
import type { Pages } from "./verbs/list.ts";
import type { Target } from "./verbs/replace.ts";

/** One request for a resource, with all that is known about it. */
export interface Call {
  readonly api: Api;
  readonly pages: Pages;
  readonly user: User;
  readonly verb: string;
  readonly target: Target;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}
