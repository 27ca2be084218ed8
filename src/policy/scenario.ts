import { parseAllDocuments } from "yaml";
import { protocolNumber } from "../model/protocol.ts";
import { MatchType } from "../model/verdict.ts";
import { explain, originName } from "./explain.ts";
import { compileRedirect } from "./judge-request.ts";
import { parseCiliumNetworkPolicy } from "./parse.ts";
import type { EndpointPolicy } from "./policy-map.ts";
import { Repository, requiredCidrs } from "./repository.ts";
import { type PolicyMode, resolveEndpointPolicy } from "./resolve.ts";
import type { FieldError } from "./rule.ts";
import { type ScenarioEndpoint, ScenarioWorld, type Somebody } from "./scenario-world.ts";

interface ScenarioHttp {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ScenarioQuery {
  readonly id: string;
  readonly direction?: "ingress" | "egress" | "both";
  /** Endpoint (`name` or `namespace/name`), `reserved:<name>`, or an address. */
  readonly from: string;
  readonly to: string;
  /** Destination port, or ICMP type. */
  readonly port?: number;
  readonly proto?: string;
  readonly http?: ScenarioHttp;
}

/** A world, the policies in it, and what is asked. */
export interface Scenario {
  readonly id: string;
  readonly config?: {
    readonly enableIPv4?: boolean;
    readonly enableIPv6?: boolean;
    readonly policyMode?: PolicyMode;
    readonly clusterName?: string;
    readonly allowLocalhost?: "always" | "policy" | "auto";
    readonly hostFirewall?: boolean;
    readonly cidrMatchMode?: readonly string[];
    readonly nodeSelectorLabels?: boolean;
  };
  /** Objects, or YAML text of one or more documents. */
  readonly policies: readonly unknown[];
  readonly endpoints: readonly ScenarioEndpoint[];
  /** Labels that a prefix has beside its own. */
  readonly cidrLabels?: Readonly<Record<string, readonly string[]>>;
  readonly queries: readonly ScenarioQuery[];
}

interface DirectionAnswer {
  readonly verdict: "allowed" | "denied" | "redirect";
  readonly enforced: boolean;
  /** A map entry decided, not the default. */
  readonly matched: boolean;
  readonly authType: "disabled";
  /** Cilium's policy match type. */
  readonly matchType: number;
  readonly rules: readonly string[];
}

export interface Answer {
  readonly scenario: string;
  readonly id: string;
  readonly verdict: "allowed" | "denied" | "redirect" | "unknown" | "error" | "invalid";
  readonly final?: "forwarded" | "dropped";
  readonly policy?: number;
  readonly error?: string;
  readonly ingress?: DirectionAnswer;
  readonly egress?: DirectionAnswer;
}

/** `spec.ingress: message (mend)` */
function formatFieldError({ field, message, mend }: FieldError): string {
  return `${field === "" ? "policy" : field}: ${message}${mend === undefined ? "" : ` (${mend})`}`;
}

/** Settings that change verdicts in Cilium and that this engine does not have. */
function unsupportedSetting({ config }: Scenario): string | undefined {
  if (config?.hostFirewall) return "config.hostFirewall is not supported";
  if ((config?.cidrMatchMode ?? []).length > 0) return "config.cidrMatchMode is not supported";
  return config?.nodeSelectorLabels ? "config.nodeSelectorLabels is not supported" : undefined;
}

/** Answers the queries of a scenario; a refused policy gives an answer of its own, and the others stand. */
export function evaluateScenario(scenario: Scenario): Answer[] {
  const unsupported = unsupportedSetting(scenario);
  if (unsupported !== undefined) {
    return scenario.queries.map(({ id }) => ({ scenario: scenario.id, id, verdict: "unknown", error: unsupported }));
  }
  const repository = new Repository();
  const refused = scenario.policies.flatMap((policy, index) => addPolicy(repository, scenario, policy, index));
  const world = new ScenarioWorld(scenario.endpoints, {
    cluster: scenario.config?.clusterName ?? "default",
    dualStack: scenario.config?.enableIPv4 !== false && scenario.config?.enableIPv6 === true,
    cidrs: requiredCidrs(repository),
    cidrLabels: scenario.cidrLabels ?? {},
  });
  const policies = new Map<string, EndpointPolicy>();
  const policyOf = (somebody: Somebody): EndpointPolicy => {
    const key = `${somebody.identity}/${somebody.name}`;
    const known = policies.get(key) ?? resolve(repository, scenario, world, somebody);
    policies.set(key, known);
    return known;
  };
  return [...refused, ...scenario.queries.map((query) => answer(scenario.id, query, world, policyOf))];
}

function resolve(repository: Repository, scenario: Scenario, world: ScenarioWorld, subject: Somebody): EndpointPolicy {
  const { labels, identity, namedPorts } = subject;
  const { policyMode = "default", allowLocalhost = "always" } = scenario.config ?? {};
  const options = { mode: policyMode, allowLocalhost: allowLocalhost === "always" };
  return resolveEndpointPolicy(repository, { labels, identity, namedPorts, isHost: false }, world, options);
}

function addPolicy(repository: Repository, scenario: Scenario, policy: unknown, index: number): Answer[] {
  const invalid = (error: string): Answer => ({
    scenario: scenario.id,
    id: "!policy",
    policy: index,
    verdict: "invalid",
    error,
  });
  const clusterName = scenario.config?.clusterName;
  return documentsOf(policy).flatMap((document) => {
    if (document instanceof Error) return [invalid(document.message)];
    const result = parseCiliumNetworkPolicy(document, clusterName === undefined ? {} : { clusterName });
    if (!result.ok) return [invalid(result.errors.map(formatFieldError).join("; "))];
    repository.upsert(result.key, result.rules);
    return [];
  });
}

function documentsOf(policy: unknown): unknown[] {
  if (typeof policy !== "string") return [policy];
  return parseAllDocuments(policy).map((document) => document.errors[0] ?? document.toJS());
}

function answer(
  scenario: string,
  query: ScenarioQuery,
  world: ScenarioWorld,
  policyOf: (somebody: Somebody) => EndpointPolicy,
): Answer {
  const { id, direction = "both" } = query;
  const from = world.find(query.from);
  const to = world.find(query.to);
  const protocol = protocolNumber(query.proto ?? "TCP");
  if (from === undefined || to === undefined) {
    return {
      scenario,
      id,
      verdict: "unknown",
      error: `nobody is called ${from === undefined ? query.from : query.to}`,
    };
  }
  if (protocol === undefined || protocol === 0)
    return { scenario, id, verdict: "error", error: `protocol ${query.proto}` };
  const judge = (subject: Somebody, peer: Somebody, side: "ingress" | "egress") =>
    subject.isEndpoint && (direction === side || direction === "both")
      ? judgeDirection(policyOf(subject), peer.identity, side, protocol, query)
      : undefined;
  return combine(scenario, query, judge(from, to, "egress"), judge(to, from, "ingress"));
}

interface Judged extends DirectionAnswer {
  /** The proxy's word on the request; undefined when it was not asked. */
  readonly passes?: boolean;
}

function judgeDirection(
  policy: EndpointPolicy,
  identity: number,
  direction: "ingress" | "egress",
  protocol: number,
  { port = 0, http }: ScenarioQuery,
): Judged {
  const { verdict, matchType, rules, entry } = explain(policy, { direction, identity, protocol, port });
  const redirect = policy.redirects.find(({ key }) => key === entry?.redirect);
  const passes = redirect && http ? compileRedirect(redirect)(identity, requestOf(http)).allowed : undefined;
  return {
    verdict: verdict === "allow" ? "allowed" : verdict === "deny" ? "denied" : "redirect",
    enforced: direction === "ingress" ? policy.ingressEnforced : policy.egressEnforced,
    matched: matchType !== MatchType.None,
    authType: "disabled",
    matchType,
    rules: rules.map(originName),
    ...(passes === undefined ? {} : { passes }),
  };
}

function requestOf({ method = "GET", path = "/", host = "", headers = {} }: ScenarioHttp) {
  return { method, path, host, headers: Object.entries(headers).map(([name, value]) => ({ name, value })) };
}

function combine(
  scenario: string,
  { id, http }: ScenarioQuery,
  egress: Judged | undefined,
  ingress: Judged | undefined,
): Answer {
  const sides = [egress, ingress].filter((side) => side !== undefined);
  const isDenied = sides.some((side) => side.verdict === "denied");
  const redirected = sides.filter((side) => side.verdict === "redirect");
  const verdict = isDenied ? "denied" : redirected.length > 0 ? "redirect" : "allowed";
  const isRefused = redirected.some((side) => side.passes === false);
  const isKnown = verdict !== "redirect" || http !== undefined;
  return {
    scenario,
    id,
    verdict,
    ...(isKnown ? { final: isDenied || isRefused ? ("dropped" as const) : ("forwarded" as const) } : {}),
    ...(ingress === undefined ? {} : { ingress: withoutPasses(ingress) }),
    ...(egress === undefined ? {} : { egress: withoutPasses(egress) }),
  };
}

function withoutPasses({ passes: _, ...side }: Judged): DirectionAnswer {
  return side;
}
