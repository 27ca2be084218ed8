/** Two API servers that are told one story, and what they answer. */
import { type ComparableAnswer, comparable, differences } from "./api-comparable.ts";
import { KNOWN_DIFFERENCES } from "./api-differences.ts";
import type { ApiConnection, ApiRequest } from "./api-exchange.ts";
import { tellStory, WIDGETS } from "./api-stories.ts";

const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const LOOK_MS = 20;

/** Makes the kind of the stories' own, and waits until it is served. */
export async function prepareServer(server: ApiConnection): Promise<void> {
  await server.ask({ method: "POST", path: DEFINITIONS, body: WIDGETS });
  for (let code = 0; code !== 200; await new Promise((next) => setTimeout(next, LOOK_MS)))
    ({ code } = await server.ask({ method: "GET", path: "/apis/example.com/v1/widgets" }));
}

/** Answers to a story's requests, in their order; code 0 where the server broke off. */
export async function* answersTo(
  server: ApiConnection,
  seed: number,
): AsyncGenerator<{ readonly request: ApiRequest; readonly answer: ComparableAnswer }> {
  const { namespace, requests } = tellStory(seed);
  await server.ask({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: namespace } } });
  const account = { metadata: { name: "default" } };
  await server.ask({ method: "POST", path: `/api/v1/namespaces/${namespace}/serviceaccounts`, body: account });
  for (const request of requests) {
    const answer = await server.ask(request).then(comparable, () => ({ code: 0, type: "", body: null }));
    yield { request, answer };
  }
}

/** What became of one request: alike, a known difference, or one that nobody has named. */
interface Judgement {
  readonly known: string | undefined;
  readonly parts: boolean;
}

/** Judges two answers to one request; undefined when they are alike. */
export function judge(request: ApiRequest, ours: ComparableAnswer, theirs: ComparableAnswer): Judgement | undefined {
  if (differences(ours, theirs).length === 0) return undefined;
  const found = KNOWN_DIFFERENCES.find(({ covers }) => covers(ours, theirs, request));
  return { known: found?.name, parts: found?.parts ?? true };
}
