import { ReservedIdentity } from "../model/addresses.ts";
import { NAMESPACE_LABEL } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import { labelSelector, requirement, selects } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { NamedPort } from "./named-ports.ts";
import { BuiltInOrigin, type Origins } from "./origin.ts";
import type { RuleOrigin } from "./policy-map.ts";
import type { CompiledRule, Repository } from "./repository.ts";
import { type PolicyKey, type Rule, type RuleVerdict, Tier } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";
import type { Side } from "./statement.ts";

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

/** Whether a direction of an endpoint is enforced, and by what. */
export interface Stance {
  readonly enforced: boolean;
  /** Of the rules, in their order, and what nobody wrote. The same rule gives the same object every time. */
  readonly sides: readonly Side[];
  /** Rules that turned default deny on; undefined = nothing is denied by default. */
  readonly defaultOrigins: Origins | undefined;
}

const HOST_SELECTOR = labelSelector([requirement("reserved:host", "In", [""])]);

/** What nobody wrote and every endpoint has, in the last tier. */
function builtIn(
  { filters }: Repository,
  verdict: RuleVerdict,
  origin: Origins[number],
  selection?: Selection,
  priority = 0,
): Side {
  const first = [origin];
  const rank = { tier: Tier.Default, priority, verdict };
  const statement = {
    ...rank,
    filter: filters.everything,
    selection,
    l7: undefined,
    auth: undefined,
    log: "",
    origins: first,
  };
  return { statements: [statement], ranks: [rank], first };
}

interface BuiltInSides {
  readonly allow: Readonly<Record<Direction, Side>>;
  readonly localhost: Side;
}

/** Made once for a repository: what is known by its object must stay one. The node's selection is never given back. */
const builtInSides = new WeakMap<Repository, BuiltInSides>();

function builtInsOf(repository: Repository): BuiltInSides {
  const known = builtInSides.get(repository);
  if (known !== undefined) return known;
  const allow = (direction: Direction) => builtIn(repository, "allow", BuiltInOrigin[direction]);
  const host = repository.selectors.retain(HOST_SELECTOR);
  const made = {
    allow: { ingress: allow("ingress"), egress: allow("egress") },
    localhost: builtIn(repository, "allow", BuiltInOrigin.localhost, host),
  };
  builtInSides.set(repository, made);
  return made;
}

/** A pod whose labels are not known yet is closed in both directions. Only the reserved label counts, not a pod's own. */
function isInit(labels: Labels): boolean {
  return labels.some(({ source, key }) => source === "reserved" && key === "init");
}

function namespaceOf(labels: Labels): string | undefined {
  return labels.find(({ source, key }) => source === "k8s" && key === NAMESPACE_LABEL)?.value;
}

/** Whether a rule of a policy is about the endpoint. */
export function isAbout({ namespace }: PolicyKey, rule: Rule, { identity, labels }: Subject): boolean {
  if (rule.isNode !== (identity === ReservedIdentity.Host) || !selects(rule.subject, labels)) return false;
  return namespace === "" || namespace === namespaceOf(labels);
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
  const builtIns = builtInsOf(repository);
  const open = { enforced: false, sides: [builtIns.allow[direction]], defaultOrigins: undefined };
  const isHost = subject.identity === ReservedIdentity.Host;
  if (mode === "never" || (isHost && !hostFirewall)) return open;
  const isForced = mode === "always" || isInit(subject.labels);
  const sides: Side[] = [];
  const denying: RuleOrigin[] = [];
  for (const { rule, sides: own } of rules) {
    const side = own[direction];
    if (side === undefined) continue;
    sides.push(side);
    if (rule.defaultDeny[direction]) denying.push(...side.first);
  }
  if (sides.length === 0)
    return isForced ? { enforced: true, sides, defaultOrigins: [BuiltInOrigin.alwaysEnforced] } : open;
  if (denying.length === 0 && !isForced)
    return { enforced: true, sides: [...sides, builtIns.allow[direction]], defaultOrigins: undefined };
  const seesLocalhost = direction === "ingress" && allowLocalhost && !isHost;
  if (seesLocalhost) sides.push(builtIns.localhost);
  // What passes every tier must meet an entry: a missing one would leave the decision to the entry that was passed.
  if (sides.some(({ ranks }) => ranks.some(({ verdict }) => verdict === "pass"))) {
    const priority = seesLocalhost ? 1 : 0;
    sides.push(builtIn(repository, "deny", BuiltInOrigin[`${direction}Deny`], undefined, priority));
  }
  const defaultOrigins = denying.length === 0 ? [BuiltInOrigin.alwaysEnforced] : denying;
  return { enforced: true, sides, defaultOrigins };
}
