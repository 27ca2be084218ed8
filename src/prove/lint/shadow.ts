import { selects } from "../../model/selector.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { coveringClauses } from "../../policy/judge-l7.ts";
import type { PeerRule, Rule } from "../../policy/rule.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { type Cluster, endpointName, type LocatedRule } from "../cluster.ts";
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
  for (const { policy, rule, element } of elementsOf(context)) {
    const endpoints = subjectsOf(context, policy, rule).map(({ workload }) => somebodyOf(context.cluster, workload));
    if (endpoints.length === 0 || element.peers.length === 0 || element.verdict === "pass") continue;
    const lifted = liftedBy(context, element, endpoints);
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
function liftedBy(context: LintContext, element: PeerRule, endpoints: readonly Somebody[]): LocatedRule | undefined {
  if (!element.ports?.some(({ http, dns }) => http !== undefined || dns !== undefined)) return undefined;
  let lifting: LocatedRule | undefined;
  for (const { endpoint, query } of questions(context, element, endpoints)) {
    const computed = context.cluster.engine.policyOf(endpoint);
    if (computed instanceof PolicyConflict) return undefined;
    const clauses = coveringClauses(computed[query.direction], query);
    const wide = clauses.find(
      ({ verdict, l7, origins }) => verdict === "allow" && l7 === undefined && origins.some(({ kind }) => kind !== ""),
    );
    if (wide === undefined) return undefined;
    lifting ??= context.cluster.locate(wide.origins.find(({ kind }) => kind !== "")!);
  }
  return lifting;
}
