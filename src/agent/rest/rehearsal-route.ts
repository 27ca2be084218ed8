import type { IncomingMessage, ServerResponse } from "node:http";
import { listOf } from "../../kube/object.ts";
import type { RehearsalNews } from "../rehearsals.ts";
import { ApiError, readBody } from "./request.ts";

export interface RehearsalCalls {
  /** Looks at the requests that these policies judge until the returned function is called; throws ApiError. */
  rehearse(policies: readonly unknown[], tell: (news: RehearsalNews) => void): () => void;
}

/** A folder of policies. */
const BODY_LIMIT = 16 << 20;

/** `POST /v1/rehearsal`: goes on as long as the connection stands, however its client ends. */
export async function streamRehearsal(
  calls: RehearsalCalls,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const policies = policiesOf(await readBody(request, BODY_LIMIT));
  if (response.destroyed) return;
  const waiting: RehearsalNews[] = [];
  const write = (news: RehearsalNews) => void response.write(`${JSON.stringify(news)}\n`);
  const end = calls.rehearse(policies, (news) => (response.headersSent ? write(news) : void waiting.push(news)));
  response.on("close", end);
  response.writeHead(200, { "content-type": "application/jsonl" });
  for (const news of waiting) write(news);
}

function policiesOf(body: string): readonly unknown[] {
  try {
    const { policies } = JSON.parse(body) as { policies?: unknown };
    if (Array.isArray(policies)) return listOf(policies);
  } catch {
    // said below
  }
  throw new ApiError(400, "the body must be a JSON object with a list `policies`");
}
