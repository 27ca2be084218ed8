import { ReservedIdentity } from "../model/addresses.ts";
import { formatLabels } from "../model/label.ts";
import { protocolNumber } from "../model/protocol.ts";
import { type Direction, MatchType } from "../model/verdict.ts";
import { PolicyConflict } from "./clause.ts";
import { AuthType } from "./column.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import { type Candidate, explain, originName } from "./explain.ts";
import type { Secrets } from "./http-rule.ts";
import { judgeL7, type L7Facts, passedOn } from "./judge-l7.ts";
import { type LookupQuery, lookup } from "./lookup.ts";
import { portOf } from "./named-ports.ts";
import type { Answer, DirectionAnswer, EntryAnswer, Scenario, ScenarioHttp, ScenarioQuery } from "./scenario-format.ts";
import { ScenarioPolicies } from "./scenario-policies.ts";
import type { Somebody } from "./scenario-world.ts";

export type { Answer, Scenario, ScenarioQuery } from "./scenario-format.ts";

const AUTH_NAMES = {
  [AuthType.Disabled]: "disabled",
  [AuthType.Spire]: "spire",
  [AuthType.AlwaysFail]: "test-always-fail",
} as const;

function authName(authType: number): DirectionAnswer["authType"] {
  return AUTH_NAMES[authType as keyof typeof AUTH_NAMES];
}

/** Answers the queries of a scenario; a refused policy gives an answer of its own, and the others stand. */
export function evaluateScenario(scenario: Scenario): Answer[] {
  return new Evaluation(scenario).answers();
}

/** What a scenario's endpoints enforce, by name; those whose rules contradict each other are left out. */
export function policiesOfScenario(scenario: Scenario): ReadonlyMap<string, ComputedPolicy> {
  const policies = new ScenarioPolicies(scenario);
  const names = scenario.endpoints.map(({ name, namespace = "default" }) => `${namespace}/${name}`);
  const computed = names.map((name) => [name, policies.policyOf(policies.world.find(name)!)] as const);
  return new Map(computed.filter((each): each is [string, ComputedPolicy] => !(each[1] instanceof PolicyConflict)));
}

/** One scenario, and the answers to its queries. */
class Evaluation {
  private readonly scenario: Scenario;
  private readonly policies: ScenarioPolicies;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.policies = new ScenarioPolicies(scenario);
  }

  answers(): Answer[] {
    const answers = [...this.policies.refused, ...this.scenario.queries.map((query) => this.answer(query))];
    return this.scenario.config?.dumpEntries === true ? [...answers, ...this.dumps()] : answers;
  }

  private answer(query: ScenarioQuery): Answer {
    const { id, direction = "both" } = query;
    const base = { scenario: this.scenario.id, id };
    const [from, to] = [this.find(query.from), this.find(query.to)];
    if (typeof from === "string") return { ...base, verdict: "unknown", error: from };
    if (typeof to === "string") return { ...base, verdict: "unknown", error: to };
    const protocol = protocolNumber(query.proto ?? "TCP");
    if (protocol === undefined || protocol === 0)
      return { ...base, verdict: "error", error: `protocol ${query.proto}` };
    const port = portNumber(query.port ?? 0, to, protocol);
    if (port === undefined)
      return { ...base, verdict: "unknown", error: `port name ${query.port} is not known at ${query.to}` };
    const judge = (subject: Somebody, peer: Somebody, side: Direction, facts: L7Facts | undefined) =>
      subject.isEndpoint && (direction === side || direction === "both")
        ? this.judge(subject, { direction: side, identity: peer.identity, protocol, port }, facts)
        : undefined;
    const asked = factsOf(query);
    const egress = judge(from, to, "egress", asked);
    return combine(base, egress, judge(to, from, "ingress", egress?.passed ?? asked));
  }

  /** Who it is, or what fact is missing. A name outside stands for its first address. */
  private find(name: string): Somebody | string {
    const known = this.policies.world.find(name);
    if (known !== undefined) return known;
    const addresses = this.scenario.fqdnCache?.[name];
    if (addresses?.[0] !== undefined) return this.policies.world.find(addresses[0]) ?? `${addresses[0]} is no address`;
    return name.includes(".") ? `the addresses of ${name} are not known` : `nobody is called ${name}`;
  }

  private judge(subject: Somebody, query: LookupQuery, facts: L7Facts | undefined): Judged {
    const policy = this.policies.policyOf(subject);
    if (policy instanceof PolicyConflict) return { answer: CONFLICT, outcome: undefined, error: policy.message };
    const result = lookup(policy, query);
    const { verdict, matchType, authType, entry } = result;
    const l7 =
      verdict === "redirect" && facts !== undefined ? judgeL7(policy, query, facts, this.policies.secrets) : undefined;
    const answer: DirectionAnswer = {
      verdict: verdict === "allow" ? "allowed" : verdict === "deny" ? "denied" : "redirect",
      enforced: query.direction === "ingress" ? policy.ingressEnforced : policy.egressEnforced,
      matched: matchType !== MatchType.None,
      authType: authName(authType),
      matchType,
      ...(entry === undefined ? {} : { precedence: entry.precedence }),
      rules: result.origins.map(originName),
      ...(this.scenario.config?.explain === true ? explained(policy, query, facts, this.policies.secrets) : {}),
    };
    if (verdict !== "redirect") return { answer, outcome: verdict === "allow" ? "forwarded" : "dropped" };
    if (l7 === undefined) return { answer, outcome: undefined };
    if (l7.verdict === "unknown")
      return { answer, outcome: undefined, error: `unknown: no ${l7.missing} facts in the query` };
    if (l7.verdict === "deny") return { answer, outcome: "dropped" };
    return { answer, outcome: "forwarded", passed: passedOn(facts!, l7) };
  }

  private dumps(): Answer[] {
    const endpoints = this.scenario.endpoints.map(({ name, namespace = "default" }) => `${namespace}/${name}`);
    const subjects = this.scenario.config?.hostFirewall === true ? [...endpoints, "reserved:host"] : endpoints;
    return subjects.flatMap((endpoint): Answer[] => {
      const policy = this.policies.policyOf(this.policies.world.find(endpoint)!);
      if (policy instanceof PolicyConflict) return [];
      return [
        { scenario: this.scenario.id, id: "!entries", verdict: "entries", endpoint, entries: this.entriesOf(policy) },
      ];
    });
  }

  private entriesOf(policy: ComputedPolicy): EntryAnswer[] {
    const peerOf = (identity: number) =>
      identity === ReservedIdentity.Unknown
        ? "any"
        : formatLabels(this.policies.repository.selectors.labelsOf(identity) ?? []).join(",");
    return policy.entries.map(
      ({ direction, identity, protocol, port, portPrefix, deny, precedence, authType, redirect }) => ({
        direction,
        peer: peerOf(identity),
        protocol,
        port,
        prefix: portPrefix,
        deny,
        precedence,
        authType: authName(authType),
        redirect: redirect !== undefined,
      }),
    );
  }
}

/** One side's answer, and what becomes of the traffic there; undefined = it depends on facts that the query does not have. */
interface Judged {
  readonly answer: DirectionAnswer;
  readonly outcome: Answer["final"];
  /** What the other side sees of the request, where this one may have changed it. */
  readonly passed?: L7Facts;
  readonly error?: string;
}

const CONFLICT: DirectionAnswer = {
  verdict: "error",
  enforced: true,
  matched: false,
  authType: "disabled",
  matchType: MatchType.None,
  rules: [],
};

function portNumber(port: number | string, to: Somebody, protocol: number): number | undefined {
  return typeof port === "number" ? port : portOf(to.namedPorts, port.toLowerCase(), protocol);
}

function factsOf({ http, dns, sni }: ScenarioQuery): L7Facts | undefined {
  if (http === undefined && dns === undefined && sni === undefined) return undefined;
  return {
    ...(http === undefined ? {} : { http: requestOf(http) }),
    ...(dns === undefined ? {} : { dns }),
    ...(sni === undefined ? {} : { sni }),
  };
}

function requestOf({ method = "GET", path = "/", host = "", headers = {} }: ScenarioHttp) {
  return { method, path, host, headers: Object.entries(headers).map(([name, value]) => ({ name, value })) };
}

function explained(policy: ComputedPolicy, query: LookupQuery, facts: L7Facts | undefined, secrets: Secrets) {
  const line = ({ rules, verdict, why }: Candidate) => `${rules.map(originName).join(", ")} (${verdict}): ${why}`;
  const { lost, missed, text } = explain(policy, query, facts, secrets);
  return { lost: lost.map(line), missed: missed.map(line), text };
}

function combine(
  base: { readonly scenario: string; readonly id: string },
  egress: Judged | undefined,
  ingress: Judged | undefined,
): Answer {
  const sides = [egress, ingress].filter((side) => side !== undefined);
  const has = (verdict: DirectionAnswer["verdict"]) => sides.some(({ answer }) => answer.verdict === verdict);
  const verdict = has("error") ? "error" : has("denied") ? "denied" : has("redirect") ? "redirect" : "allowed";
  const final = has("error") ? undefined : finalOf(sides);
  const error = sides.find((side) => side.error !== undefined)?.error;
  return {
    ...base,
    verdict,
    ...(final === undefined ? {} : { final }),
    ...(error === undefined ? {} : { error }),
    ...(ingress === undefined ? {} : { ingress: ingress.answer }),
    ...(egress === undefined ? {} : { egress: egress.answer }),
  };
}

/** A drop on either side is final; else what is open on one side leaves all open. */
function finalOf(sides: readonly Judged[]): Answer["final"] {
  const outcomes = sides.map(({ outcome }) => outcome);
  if (outcomes.includes("dropped")) return "dropped";
  return outcomes.includes(undefined) ? undefined : "forwarded";
}
