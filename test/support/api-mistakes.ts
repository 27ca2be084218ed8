/** Common mistakes of users, told to two API servers alike, and what they say to them. */
import { isFields } from "../../src/kube/object.ts";
import { type ComparableAnswer, comparable } from "./api-comparable.ts";
import type { ApiConnection } from "./api-exchange.ts";
import { BEFORE_MISTAKES, type Mistake } from "./api-mistake.ts";
import { MISTAKEN_DEFINITIONS } from "./api-mistakes-definitions.ts";
import { MISTAKEN_OBJECTS } from "./api-mistakes-objects.ts";
import { MISTAKEN_REQUESTS } from "./api-mistakes-requests.ts";

const GO = "Kubernetes shows a value as Go prints it, in its internal form";
const PROSE = "in words of the library that reads it";
const CODELESS = "Kubernetes answers 500 without a reason; here it is a refusal with one";
const CHANCE = "a name or a revision that is the server's own";

/** Mistakes to which we say something else, and why. All are refused by both, but what says otherwise. */
export const SAID_OTHERWISE: Readonly<Record<string, string>> = {
  "an upper-case generateName": CHANCE,
  "an apiVersion without its group": GO,
  "another kind": GO,
  "YAML with a tab": PROSE,
  "a key twice in a patch, Strict": "shows the patch, where Kubernetes shows the whole object",
  "a pod's other container": GO,
  "a pod's other node": GO,
  "a template's bad image": "Kubernetes reads no tag from such a name, and so no pull policy",
  "a job's other template": GO,
  "a service's other address": "refused since clusterIPs is missing, not since it changed",
  "a group that is not there": "a Status, where Kubernetes says it in plain text",
  "a path that is not there": "a Status, where Kubernetes says it in plain text",
  "an unknown version of a type": PROSE,
  "a revision of nonsense": CODELESS,
  "a merge patch of no JSON": PROSE,
  "a merge patch of another type": "shows the patch, where Kubernetes shows the whole object",
  "a strategic patch without its key": CODELESS,
  "a bad continue token": PROSE,
  "a bad revision of one": CODELESS,
  "a bad watch revision": CODELESS,
  "another revision to delete": CHANCE,
  "an exec without a command": "that no upgrade was asked for is found first",
  "a binding to nothing": CODELESS,
  "a rule that ends too early": PROSE,
};

/** What a server says to a mistake. */
interface Saying {
  readonly title: string;
  readonly answer: ComparableAnswer;
}

/** Answers to all mistakes, in their order. */
export async function* sayingsOf(server: ApiConnection): AsyncGenerator<Saying> {
  for (const request of BEFORE_MISTAKES) await server.ask(request);
  const mistakes: readonly Mistake[] = [...MISTAKEN_OBJECTS, ...MISTAKEN_REQUESTS, ...MISTAKEN_DEFINITIONS];
  for (const { title, request } of mistakes) yield { title, answer: comparable(await server.ask(request)) };
}

/** What is kept of it: of an object that was made, only that it was. */
export function keptSaying({ title, answer }: Saying): object {
  const { code, warnings = [], body } = answer;
  const told = title in SAID_OTHERWISE || code < 400 || !isFields(body) ? {} : body;
  const { reason, message, details } = told as { reason?: unknown; message?: unknown; details?: unknown };
  return title in SAID_OTHERWISE ? { title } : { title, code, warnings, reason, message, details };
}
