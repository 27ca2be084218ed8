import { ReservedIdentity } from "../model/addresses.ts";
import { NAMESPACE_LABEL } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import { labelSelector, requirement } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { NamedPort } from "./named-ports.ts";
import { BuiltInOrigin, type Origins } from "./origin.ts";
import type { Ranked } from "./precedence.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import { type RuleVerdict, Tier } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";
import type { Statement } from "./statement.ts";

/** The endpoint that a policy is computed for. */
export interface Subject {
  readonly labels: Labels;
  readonly identity: number;
  /** Its own named ports. */
  readonly namedPorts: readonly NamedPort[];
}

/** When policy is enforced: where a rule says so, everywhere, or nowhere. */
export type PolicyMode = "default" | "always" | "never";

export interface ResolveOptions {
  readonly mode?: PolicyMode;
  /** Whether the node always reaches its own pods, unless a rule denies it. Kubernetes' probes need it; default true. */
  readonly allowLocalhost?: boolean;
  /** Whether rules with a nodeSelector are enforced at the node itself; default false. */
  readonly hostFirewall?: boolean;
}

/** Whether a direction of an endpoint is enforced, and by which statements. */
export interface Stance {
  readonly enforced: boolean;
  readonly statements: readonly Statement[];
  /** Every level that a rule stands on, whether or not it selects anybody. */
  readonly ranks: readonly Ranked[];
  /** Rules that turned default deny on; undefined = nothing is denied by default. */
  readonly defaultOrigins: Origins | undefined;
}

const HOST_SELECTOR = labelSelector([requirement("reserved:host", "In", [""])]);

/** What nobody wrote and every endpoint has, in the last tier. */
function builtIn(
  repository: Repository,
  verdict: RuleVerdict,
  origin: Origins[number],
  priority = 0,
  selection: Selection | undefined = undefined,
): Statement {
  const filter = repository.filters.everything;
  return { filter, selection, verdict, tier: Tier.Default, priority, log: "", origins: [origin] };
}

/** The selection of the node itself; kept for as long as the cache lives. */
const hostSelections = new WeakMap<Repository["selectors"], Selection>();

function hostSelection({ selectors }: Repository): Selection {
  const known = hostSelections.get(selectors) ?? selectors.retain(HOST_SELECTOR);
  hostSelections.set(selectors, known);
  return known;
}

function allowAny(direction: Direction, repository: Repository): Statement {
  return builtIn(repository, "allow", BuiltInOrigin[direction]);
}

/** A pod whose labels are not known yet is closed in both directions. Only the reserved label counts, not a pod's own. */
function isInit(labels: Labels): boolean {
  return labels.some(({ source, key }) => source === "reserved" && key === "init");
}

function namespaceOf(labels: Labels): string | undefined {
  return labels.find(({ source, key }) => source === "k8s" && key === NAMESPACE_LABEL)?.value;
}

/** Rules whose subject is the endpoint; node rules are about the node alone. */
export function rulesFor(repository: Repository, subject: Subject): CompiledRule[] {
  const isHost = subject.identity === ReservedIdentity.Host;
  return repository.rulesSelecting(subject.labels, namespaceOf(subject.labels), isHost);
}

/** `rules` select the subject. Where policy is not enforced the one statement allows everything. */
export function stanceOf(
  direction: Direction,
  repository: Repository,
  subject: Subject,
  rules: readonly CompiledRule[],
  { mode = "default", allowLocalhost = true, hostFirewall = false }: ResolveOptions,
): Stance {
  const unrestricted = [allowAny(direction, repository)];
  const open = { enforced: false, statements: unrestricted, ranks: unrestricted, defaultOrigins: undefined };
  const isHost = subject.identity === ReservedIdentity.Host;
  if (mode === "never" || (isHost && !hostFirewall)) return open;
  const speaking = rules.filter(({ first }) => first[direction] !== undefined);
  const isForced = mode === "always" || isInit(subject.labels);
  if (speaking.length === 0)
    return isForced
      ? { enforced: true, statements: [], ranks: [], defaultOrigins: [BuiltInOrigin.alwaysEnforced] }
      : open;
  const statements: Statement[] = [];
  const ranks: Ranked[] = [];
  for (const rule of speaking) {
    for (const statement of rule.statements[direction]) statements.push(statement);
    for (const rank of rule.ranks[direction]) ranks.push(rank);
  }
  let defaultOrigins: Origins = speaking
    .filter(({ rule }) => rule.defaultDeny[direction])
    .flatMap(({ first }) => first[direction]!);
  if (defaultOrigins.length === 0 && !isForced)
    return {
      enforced: true,
      statements: [...statements, ...unrestricted],
      ranks: [...ranks, ...unrestricted],
      defaultOrigins: undefined,
    };
  if (defaultOrigins.length === 0) defaultOrigins = [BuiltInOrigin.alwaysEnforced];
  const seesLocalhost = direction === "ingress" && allowLocalhost && !isHost;
  const added = seesLocalhost
    ? [builtIn(repository, "allow", BuiltInOrigin.localhost, 0, hostSelection(repository))]
    : [];
  // What passes every tier must meet an entry: a missing one would leave the decision to the entry that was passed.
  if (ranks.some(({ verdict }) => verdict === "pass"))
    added.push(builtIn(repository, "deny", BuiltInOrigin[`${direction}Deny`], added.length));
  return { enforced: true, statements: [...statements, ...added], ranks: [...ranks, ...added], defaultOrigins };
}
