import { passedOn } from "../../policy/judge-l7.ts";
import { NO_RULES } from "./header-edits.ts";
import { ANY_REQUEST, HTTP_RULE, OPEN, type RequestChain, type RequestWord, type Word } from "./word.ts";

/**
 * What both ends say of one port as one word: the ingress end's proxy reads what the egress end's proxy sent. Undefined where
 * that is more than HTTP requests: TLS and DNS names, a listener of the user's own.
 */
export function wordOfBothEnds(egress: Word, ingress: Word): Word | undefined {
  const ends = [egress, ingress];
  if (ends.some((word) => word.isDenied || !isAboutHttp(word))) return undefined;
  const text = JSON.stringify(ends.map((word) => word.text));
  const proxies = ends.filter(({ requests }) => requests !== undefined);
  if (proxies.length === 0) return { ...OPEN, text };
  const chain = joined(egress.chain ?? NO_RULES, ingress.chain ?? NO_RULES);
  return { text, isDenied: false, authType: 0, requests: requestsOf(proxies), chain };
}

function isAboutHttp({ requests, chain }: Word): boolean {
  if (requests === undefined) return true;
  return chain !== undefined && [...requests.keys()].every((key) => key === ANY_REQUEST || key.startsWith(HTTP_RULE));
}

function joined(egress: RequestChain, ingress: RequestChain): RequestChain {
  return {
    rules: [...egress.rules, ...ingress.rules],
    looksAtHeaders: egress.looksAtHeaders || ingress.looksAtHeaders,
    isEditing: egress.isEditing || ingress.isEditing,
    judge: (facts) => {
      const first = egress.judge(facts);
      if (first.verdict !== "allow") return first;
      const second = ingress.judge(passedOn(facts, first));
      return { ...second, actions: [...first.actions, ...second.actions] };
    },
  };
}

/** What is no HTTP passes where it passes both. */
function requestsOf(proxies: readonly Word[]): ReadonlyMap<string, RequestWord> {
  const all = proxies.flatMap(({ requests }) => [...requests!]);
  const isOpen = proxies.every(({ requests }) => requests!.has(ANY_REQUEST));
  return new Map(isOpen ? all : all.filter(([key]) => key !== ANY_REQUEST));
}
