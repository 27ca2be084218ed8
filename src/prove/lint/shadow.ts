import { selects } from "../../model/selector.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { coveringClauses } from "../../policy/judge-l7.ts";
import type { HttpRule } from "../../policy/l7-rule.ts";
import type { PeerRule, PortRule, PortSpec, Rule } from "../../policy/rule.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { type Cluster, endpointName, type LocatedRule, policyName } from "../cluster.ts";
import type { PolicyObject } from "../inventory.ts";
import { elementsOf, inPolicy, type LintContext, numbersOf, subjectsOf } from "./context.ts";
import type { Finding } from "./finding.ts";

/** Endpoints whose policy is computed again at most, all rules together; and questions about one rule. */
const MOST_RESOLUTIONS = 20_000;
const MOST_QUESTIONS = 64;

export interface Shadows {
  readonly findings: readonly Finding[];
  /** Rules that were not looked at because there are too many. */
  readonly left: number;
}

/** Rules without which every workload of these files would get the same verdicts, and request rules that another rule lifts. */
export function shadowedRules(context: LintContext): Shadows {
  const findings: Finding[] = [];
  let [resolutions, left] = [0, 0];
  const byOrigin = new Map(
    [...elementsOf(context)].map(({ policy, element }) => [`${policyName(policy.key)} ${element.path}`, element]),
  );
  for (const { policy, rule, element } of elementsOf(context)) {
    const endpoints = subjectsOf(context, policy, rule).map(({ workload }) => somebodyOf(context.cluster, workload));
    if (endpoints.length === 0 || element.peers.length === 0 || element.verdict === "pass") continue;
    if (element.ports?.some(isOpenBesideOthers)) {
      const message = "one of its rules for requests allows every request: the others beside it restrict nothing";
      findings.push(inPolicy("SG004", policy, element.path, message, "take the one that is empty out, or the others"));
      continue;
    }
    const lifted = liftedBy(context, element, endpoints, byOrigin);
    if (lifted !== undefined) {
      const message = `its rules for requests restrict nothing: ${nameOf(lifted)} allows every request there`;
      findings.push(
        inPolicy("SG004", policy, element.path, message, "take the wider rule out, or these request rules"),
      );
      continue;
    }
    if (resolutions + endpoints.length > MOST_RESOLUTIONS) {
      left++;
      continue;
    }
    resolutions += endpoints.length;
    if (!isWithoutEffect(context, policy, rule, element, endpoints)) continue;
    const others = deciders(context, policy, element, endpoints);
    // Whom nobody of these files meets is somebody else's finding.
    if (others.length === 0) continue;
    const message = `decides nothing that other rules do not decide already: ${others.map(nameOf).join(", ")}`;
    findings.push(inPolicy("SG004", policy, element.path, message, "take one of them out"));
  }
  return { findings, left };
}

function nameOf({ policy, path, file, line }: LocatedRule): string {
  return file === undefined ? path : `${policy} ${path} (${file}:${line})`;
}

function somebodyOf(
  { engine }: Cluster,
  workload: Parameters<typeof endpointName>[0] & { readonly namespace: string },
): Somebody {
  return engine.world.find(`${workload.namespace}/${endpointName(workload)}`)!;
}

/** Compares what the endpoints enforce with what they would without the element's peers. The repository is left as it was. */
function isWithoutEffect(
  { cluster }: LintContext,
  policy: PolicyObject,
  rule: Rule,
  element: PeerRule,
  endpoints: readonly Somebody[],
): boolean {
  const { engine } = cluster;
  const before = endpoints.map((endpoint) => textOf(engine.policyOf(endpoint)));
  const elements = rule.elements.map((each) => (each === element ? { ...each, peers: [] } : each));
  const { subject, isNode, defaultDeny, labels, api } = rule;
  const without = { subject, isNode, elements, defaultDeny, labels, api };
  engine.repository.upsert(
    policy.key,
    policy.rules.map((each) => (each === rule ? without : each)),
  );
  try {
    return endpoints.every(
      (endpoint, index) => before[index] !== undefined && textOf(engine.resolve(endpoint)) === before[index],
    );
  } finally {
    engine.repository.upsert(policy.key, policy.rules);
  }
}

/** What is enforced, without who wants it so. */
function textOf(policy: ComputedPolicy | PolicyConflict): string | undefined {
  if (policy instanceof PolicyConflict) return undefined;
  const entries = policy.entries.map(({ origin: _origin, ...entry }) => entry);
  const redirects = policy.redirects.map(({ rules, ...rest }) => ({
    ...rest,
    rules: rules.map(({ origin: _origin, ...each }) => each),
  }));
  return JSON.stringify([entries, redirects]);
}

/** Peers and ports of which the element speaks, as questions to the engine. */
function* questions({ cluster }: LintContext, element: PeerRule, endpoints: readonly Somebody[]) {
  const { selectors } = cluster.engine.repository;
  const specs = numbersOf(element);
  const places = specs.length > 0 ? specs : [{ protocol: 6, port: 80 }];
  const ids = selectors.idsByRow.filter((id) => isPeer(cluster, element, id)).slice(0, MOST_QUESTIONS);
  for (const endpoint of endpoints.slice(0, MOST_QUESTIONS))
    for (const identity of ids)
      for (const { protocol, port } of places)
        yield { endpoint, query: { direction: element.direction, identity, protocol, port } };
}

function isPeer({ engine }: Cluster, { peers }: PeerRule, identity: number): boolean {
  const { selectors } = engine.repository;
  const labels = selectors.labelsOf(identity);
  return (
    labels !== undefined &&
    peers.some((peer) =>
      engine.repository.selectorsOf(peer).some((selector) => selects(selector, labels, selectors.options)),
    )
  );
}

/** Other rules that have the word where the element has one. */
function deciders(
  context: LintContext,
  policy: PolicyObject,
  element: PeerRule,
  endpoints: readonly Somebody[],
): LocatedRule[] {
  const found = new Map<string, LocatedRule>();
  for (const { endpoint, query } of questions(context, element, endpoints)) {
    const computed = context.cluster.engine.policyOf(endpoint);
    if (computed instanceof PolicyConflict) continue;
    for (const { origins } of coveringClauses(computed[query.direction], query)) {
      for (const origin of origins) {
        const isItself =
          origin.path === element.path &&
          origin.name === policy.key.name &&
          origin.namespace === policy.key.namespace &&
          origin.kind === policy.key.kind;
        if (origin.kind !== "" && !isItself)
          found.set(`${origin.kind} ${origin.namespace} ${origin.name} ${origin.path}`, context.cluster.locate(origin));
      }
    }
  }
  return [...found.values()].slice(0, 3);
}

/** The rule that lets every request pass wherever the element would have requests judged; undefined = there is none. */
function liftedBy(
  context: LintContext,
  element: PeerRule,
  endpoints: readonly Somebody[],
  byOrigin: ReadonlyMap<string, PeerRule>,
): LocatedRule | undefined {
  if (!element.ports?.some(({ http, dns }) => http !== undefined || dns !== undefined)) return undefined;
  let lifting: LocatedRule | undefined;
  for (const { endpoint, query } of questions(context, element, endpoints)) {
    const computed = context.cluster.engine.policyOf(endpoint);
    if (computed instanceof PolicyConflict) return undefined;
    const clauses = coveringClauses(computed[query.direction], query);
    // Rules that speak of the same peers and ports are one clause: which of them lifts the others is to be seen in itself.
    const wide = clauses
      .filter(({ verdict }) => verdict === "allow")
      .flatMap(({ l7, origins }) =>
        origins.filter((origin) => {
          const other = byOrigin.get(`${policyName(origin)} ${origin.path}`);
          return origin.kind !== "" && (l7 === undefined || isOpenAt(other, query));
        }),
      );
    if (wide.length === 0) return undefined;
    lifting ??= context.cluster.locate(wide[0]!);
  }
  return lifting;
}

/** Whether the rule speaks of the port without a word about requests. */
function isOpenAt(rule: PeerRule | undefined, { protocol, port }: { protocol: number; port: number }): boolean {
  const holds = (spec: PortSpec) =>
    spec.protocol === protocol && spec.name === undefined && spec.port <= port && port <= spec.endPort;
  return rule?.ports?.some((each) => !hasRequests(each) && each.ports.some(holds)) === true;
}

function hasRequests({ http, dns, serverNames, listener }: PortRule): boolean {
  return [http, dns, serverNames, listener].some((each) => each !== undefined);
}

/** Whether one rule allows every request, and others stand beside it that do no more than match. */
function isOpenBesideOthers({ http = [] }: PortRule): boolean {
  const isEdit = ({ headerMatches = [] }: HttpRule) => headerMatches.some(({ mismatch }) => mismatch !== undefined);
  const isEmpty = (rule: HttpRule) => Object.values(rule).every((value) => value === undefined || value.length === 0);
  return http.length > 1 && http.some(isEmpty) && !http.every(isEmpty) && !http.some(isEdit);
}
