import { ReservedIdentity } from "../model/addresses.ts";
import { NAMESPACE_LABEL } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { labelSelector, requirement, selects, WILDCARD } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import { FilterSet } from "./filter.ts";
import { EntryDrafts } from "./map-entries.ts";
import { BuiltInOrigin, mergeOrigins, type Origins, OriginTable, originOf } from "./origin.ts";
import type { EndpointPolicy, L7Redirect, PolicyMapEntry } from "./policy-map.ts";
import { type IdentityView, type NamedPort, resolveFilter } from "./port-resolution.ts";
import { Segments } from "./redirects.ts";
import type { Repository } from "./repository.ts";
import type { PeerRule } from "./rule.ts";

/** The endpoint that a policy is computed for. */
export interface Subject {
  readonly labels: Labels;
  readonly identity: number;
  /** Its own named ports. */
  readonly namedPorts: readonly NamedPort[];
  /** The node itself: policy never applies to it (there is no host firewall). */
  readonly isHost: boolean;
}

/** When policy is enforced: where a rule says so, everywhere, or nowhere. */
export type PolicyMode = "default" | "always" | "never";

export interface ResolveOptions {
  readonly mode?: PolicyMode;
  /** Whether the node always reaches its own pods, unless a rule denies it. Kubernetes' probes need it; default true. */
  readonly allowLocalhost?: boolean;
}

interface Chosen {
  readonly element: PeerRule;
  readonly origins: Origins;
}

interface Stance {
  readonly enforced: boolean;
  readonly elements: readonly Chosen[];
  /** Rules that turned default deny on; undefined = nothing is denied by default. */
  readonly defaultOrigins: Origins | undefined;
}

/** Elements that every endpoint has by itself. */
const HOST_SELECTOR = labelSelector([requirement("reserved:host", "In", [""])]);
const LOCALHOST: PeerRule = { direction: "ingress", deny: false, peers: [HOST_SELECTOR], path: "" };

function allowAny(direction: Direction): PeerRule {
  return { direction, deny: false, peers: [WILDCARD], path: "" };
}

/**
 * Computes what the datapath and the proxy must enforce for an endpoint now: deny if any matching rule denies, else
 * allow if any allows (through the proxy if one of them has L7 rules), else deny where default deny is on.
 * Throws an Error when the rules cannot be enforced together; what was in force must then stay.
 */
export function resolveEndpointPolicy(
  repository: Repository,
  subject: Subject,
  identities: IdentityView,
  options: ResolveOptions = {},
): EndpointPolicy {
  const origins = new OriginTable();
  const ingress = resolveDirection("ingress", repository, subject, identities, options, origins);
  const egress = resolveDirection("egress", repository, subject, identities, options, origins);
  const entries = [...ingress.entries, ...egress.entries];
  if (entries.length > Limits.PolicyMapEntries) {
    throw new Error(
      `the policy needs ${entries.length} map entries; at most ${Limits.PolicyMapEntries}: select fewer peers or ports`,
    );
  }
  return {
    revision: repository.revision,
    ingressEnforced: ingress.stance.enforced,
    egressEnforced: egress.stance.enforced,
    entries,
    redirects: [...ingress.redirects, ...egress.redirects],
    ingressDefaultOrigin: defaultIndex(ingress.stance, origins),
    egressDefaultOrigin: defaultIndex(egress.stance, origins),
    origins: origins.all(),
  };
}

function defaultIndex({ defaultOrigins }: Stance, origins: OriginTable): number {
  return defaultOrigins === undefined ? -1 : origins.indexOf(defaultOrigins);
}

interface Resolved {
  readonly stance: Stance;
  readonly entries: readonly PolicyMapEntry[];
  readonly redirects: readonly L7Redirect[];
}

function resolveDirection(
  direction: Direction,
  repository: Repository,
  subject: Subject,
  identities: IdentityView,
  options: ResolveOptions,
  origins: OriginTable,
): Resolved {
  const stance = stanceOf(direction, repository, subject, options);
  const filters = new FilterSet();
  for (const { element, origins: from } of stance.elements) filters.add(element, from);
  const grants = [...filters.all()].flatMap((filter) => resolveFilter(filter, subject.namedPorts, identities));
  const segments = new Segments(direction, grants);
  const drafts = new EntryDrafts(direction);
  for (const grant of grants) drafts.add(grant, segments);
  return { stance, entries: drafts.finish(origins), redirects: segments.redirects(origins) };
}

/** Whether a direction is enforced, and by which elements. */
function stanceOf(direction: Direction, repository: Repository, subject: Subject, options: ResolveOptions): Stance {
  const { mode = "default", allowLocalhost = true } = options;
  const open: Stance = {
    enforced: false,
    elements: [{ element: allowAny(direction), origins: [BuiltInOrigin[direction]] }],
    defaultOrigins: undefined,
  };
  if (mode === "never" || subject.isHost || subject.identity === ReservedIdentity.Host) return open;
  const { elements, defaultOrigins } = matchingElements(direction, repository, subject.labels);
  const isForced = mode === "always" || isInit(subject.labels);
  if (elements.length === 0)
    return isForced ? { enforced: true, elements, defaultOrigins: [BuiltInOrigin.alwaysEnforced] } : open;
  if (defaultOrigins.length === 0 && !isForced)
    return { ...open, enforced: true, elements: [...elements, ...open.elements] };
  const localhost: Chosen[] =
    direction === "ingress" && allowLocalhost ? [{ element: LOCALHOST, origins: [BuiltInOrigin.localhost] }] : [];
  return {
    enforced: true,
    elements: [...elements, ...localhost],
    defaultOrigins: defaultOrigins.length > 0 ? defaultOrigins : [BuiltInOrigin.alwaysEnforced],
  };
}

/** A pod whose labels are not known yet is closed in both directions. */
function isInit(labels: Labels): boolean {
  return labels.some(({ source, key }) => source === "reserved" && key === "init");
}

function namespaceOf(labels: Labels): string | undefined {
  return labels.find(({ source, key }) => source === "k8s" && key === NAMESPACE_LABEL)?.value;
}

function matchingElements(
  direction: Direction,
  repository: Repository,
  labels: Labels,
): { elements: Chosen[]; defaultOrigins: Origins } {
  const chosen: Chosen[] = [];
  let defaultOrigins: Origins = [];
  for (const { key, rules } of repository.candidatesFor(namespaceOf(labels))) {
    for (const rule of rules) {
      const elements = rule.elements.filter((element) => element.direction === direction);
      if (elements.length === 0 || !selects(rule.subject, labels)) continue;
      const origins = elements.map((element) => [originOf(key, rule.labels, element.path)]);
      chosen.push(...elements.map((element, index) => ({ element, origins: origins[index]! })));
      if (rule.defaultDeny[direction]) defaultOrigins = mergeOrigins(defaultOrigins, origins[0]!);
    }
  }
  return { elements: chosen, defaultOrigins };
}
