import { afterActions, type HeaderAction } from "../../policy/http-header.ts";
import type { HttpRequestFacts } from "../../policy/http-request.ts";
import type { L7Verdict } from "../../policy/judge-l7.ts";
import { type HeaderState, headerStates } from "./header-states.ts";
import { type RequestRegion, requestRegions, requestText } from "./request-language.ts";
import type { RequestChain } from "./word.ts";

/** What becomes of HTTP requests between two chains of rules of which one looks at headers, as people read it. */
export interface RequestChanges {
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  /** Requests that pass on both sides, with other headers or other notes of them. */
  readonly edited: readonly string[];
}

/** Requests that two chains are asked for; more are not decided. */
const MOST_REQUESTS = 20_000;

/** Where there are no rules. */
export const NO_RULES: RequestChain = {
  rules: [],
  looksAtHeaders: false,
  isEditing: false,
  judge: () => ({ verdict: "allow", origins: [], actions: [] }),
};

/**
 * What the engine says on both sides of a request of each part that the rules tell apart (method, path, host, server name), in
 * every state of the headers that they look at. `unknown` = there are too many, or not all is known that rules look at: a
 * secret's value, which TLS it is, a part of the request in the place of a header.
 */
export function requestChanges(before: RequestChain, after: RequestChain): RequestChanges | "unknown" {
  const rules = [...before.rules, ...after.rules];
  if (rules.some(({ missing }) => missing !== undefined)) return "unknown";
  if (new Set(rules.map(({ rule }) => rule.tls)).size > 1) return "unknown";
  const regions = requestRegions(rules.map(({ rule }) => rule));
  const states = headerStates(rules.flatMap(({ headers }) => headers));
  if (regions === "unknown" || states === "unknown" || regions.length * states.length > MOST_REQUESTS) return "unknown";
  const [opened, closed, edited] = [new Examples(), new Examples(), new Examples()];
  for (const region of regions) {
    const [old, now] = [
      letBy(before, region.matched.slice(0, before.rules.length)),
      letBy(after, region.matched.slice(before.rules.length)),
    ];
    for (const state of states) {
      const facts = factsOf(region, state);
      const [was, is] = [before.judge(facts), after.judge(facts)];
      const example = requestText(region.request, { demands: state.texts });
      const [passed, passes] = [was.verdict === "allow", is.verdict === "allow"];
      if (passes && !passed) opened.add(now, example);
      else if (passed && !passes) closed.add(old, example);
      else if (passed) for (const text of otherEdits(facts.http, was, is)) edited.add(text, example);
    }
  }
  return { opened: opened.texts(), closed: closed.texts(), edited: edited.texts() };
}

/** The first example of each text. */
class Examples {
  private readonly byText = new Map<string, string>();

  add(text: string, example: string): void {
    if (!this.byText.has(text)) this.byText.set(text, example);
  }

  texts(): string[] {
    const byExample = Map.groupBy(this.byText.keys(), (text) => this.byText.get(text)!);
    return [...byExample].map(([example, texts]) => {
      const text = texts.join(", ");
      return text === example ? text : `${text}, as in ${example}`;
    });
  }
}

/** By which rule such a request passes. */
function letBy({ rules }: RequestChain, matched: readonly boolean[]): string {
  return rules[matched.indexOf(true)]?.text ?? "everything else";
}

function factsOf({ request }: RequestRegion, { headers }: HeaderState): { http: HttpRequestFacts; sni?: string } {
  const { method = "GET", path = "/", host = "", server } = request;
  return { http: { method, path, host, headers }, ...(server ? { sni: server } : {}) };
}

/** What is done to a request on one side alone; none where both do the same to it in the end. */
function otherEdits(request: HttpRequestFacts, was: L7Verdict, is: L7Verdict): string[] {
  if (was.actions.length + is.actions.length === 0) return [];
  const names = [...new Set([...was.actions, ...is.actions].map(({ name }) => name))].sort();
  return names.flatMap((name) => {
    const [old, now] = [was, is].map(({ actions }) => actions.filter((action) => action.name === name)) as [
      HeaderAction[],
      HeaderAction[],
    ];
    if (outcome(request, name, old) === outcome(request, name, now)) return [];
    const [gone, come] = [beyond(old, now), beyond(now, old)];
    if (gone.length + come.length === 0)
      return [`${now.map(actionText).join(" and ")}, with another value or in another order`];
    return [...come.map((text) => `now ${text}`), ...gone.map((text) => `no longer ${text}`)];
  });
}

/** The header as the server gets it, and what is noted of it, as one text. */
function outcome(request: HttpRequestFacts, name: string, actions: readonly HeaderAction[]): string {
  const headers = afterActions(request, actions).headers.filter((header) => header.name === name);
  const notes = actions.flatMap(({ kind, value }) => (kind === "log" ? [value ?? ""] : []));
  return JSON.stringify([headers.map(({ value }) => value), notes]);
}

function beyond(some: readonly HeaderAction[], others: readonly HeaderAction[]): string[] {
  const known = new Set(others.map(actionText));
  return [...new Set(some.map(actionText))].filter((text) => !known.has(text));
}

function actionText({ kind, name, value = "", isSecret }: HeaderAction): string {
  const shown = isSecret ? "the value of a secret" : value || "no value";
  if (kind === "delete") return `header ${name} deleted`;
  return `header ${name}: ${shown} ${{ add: "added", replace: "put in place", log: "noted as missing" }[kind]}`;
}
