import { reservedIdentities } from "../model/identity.ts";
import { parseLabel, toLabels } from "../model/label.ts";
import { countOf } from "./computed-policy.ts";
import { parsePolicy } from "./parse.ts";
import { PolicyCache } from "./policy-cache.ts";
import { Repository } from "./repository.ts";

/** Enough for the virtual machine to compile what it runs, few enough to take some milliseconds. */
const NAMESPACES = 4;
const IDENTITIES = 100;
const FIRST_IDENTITY = 256;
const POLICIES = 48;
/** As many as a clusterwide policy concerns on a node of some size. */
const ENDPOINTS = 40;
const REPLACEMENTS = 96;
/** Every so many policies one is clusterwide, and concerns most endpoints. */
const WIDE = 8;
/** Apps, tiers and namespaces have no common divisor, so that they mix. */
const APPS = 5;

const TIERS = ["web", "api", "db"];

function labelsOf(index: number) {
  const namespace = `warm-up-${index % NAMESPACES}`;
  return toLabels(
    [
      `k8s:app=app-${index % APPS}`,
      `k8s:tier=${TIERS[index % TIERS.length]}`,
      `k8s:version=v${index}`,
      `k8s:io.kubernetes.pod.namespace=${namespace}`,
      // Without it no peer of a policy would be anybody here.
      "k8s:io.cilium.k8s.policy.cluster=default",
      `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
    ].map(parseLabel),
  );
}

/** One peer of each kind in turn. */
function peerOf(index: number, side: "from" | "to"): object {
  const ports = [{ port: `${8000 + (index % 9)}`, protocol: "TCP" }];
  const tier = { matchLabels: { tier: TIERS[index % TIERS.length] } };
  switch (index % 6) {
    case 0:
      return { [`${side}Endpoints`]: [{ matchLabels: { app: `app-${index % APPS}` } }], toPorts: [{ ports }] };
    case 1:
      return { [`${side}Endpoints`]: [tier], toPorts: [{ ports: [{ port: "9000", endPort: 9100, protocol: "ANY" }] }] };
    case 2:
      return { [`${side}Endpoints`]: [tier], toPorts: [{ ports, rules: { http: [{ path: `/v${index}/.*` }] } }] };
    case 3: {
      const matchExpressions = [{ key: "tier", operator: "In", values: TIERS.slice(1) }];
      return { [`${side}Endpoints`]: [{ matchExpressions }], toPorts: [{ ports }] };
    }
    case 4: {
      const cidr = `10.${index}.0.0/16`;
      return { [`${side}CIDRSet`]: [{ cidr, except: [`10.${index}.1.0/24`] }], toPorts: [{ ports }] };
    }
    default:
      if (index % 12 === 5) return { [`${side}Entities`]: ["remote-node"] };
      return { [`${side}Entities`]: ["cluster", "world"], toPorts: [{ ports }] };
  }
}

/** Those from `POLICIES` on replace earlier ones. */
function policyOf(index: number): object {
  const isIngress = index % 3 !== 0;
  const section = `${isIngress ? "ingress" : "egress"}${index % 31 === 30 ? "Deny" : ""}`;
  const side = isIngress ? "from" : "to";
  // A denial has no requests; some rules have a second element.
  const peer = peerOf(section.endsWith("Deny") ? index - (index % 6) : index, side);
  const elements = index % 7 === 3 ? [peer, peerOf(index - (index % 6), side)] : [peer];
  const place = index % POLICIES;
  const isWide = place % WIDE === 0;
  const matchLabels = index % 2 === 0 ? { app: `app-${index % APPS}` } : { tier: TIERS[index % TIERS.length] };
  return {
    apiVersion: "cilium.io/v2",
    kind: isWide ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name: `policy-${place}`, ...(!isWide && { namespace: `warm-up-${place % NAMESPACES}` }) },
    spec: { endpointSelector: isWide ? {} : { matchLabels }, [section]: elements },
  };
}

function parse(policy: object) {
  const parsed = parsePolicy(policy);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed;
}

/**
 * Computes and changes policies of a small cluster that is thrown away, so that the first policy of a real endpoint, and the
 * first that is replaced, is not also the first time that the code runs: a virtual machine compiles what it has seen run. For whoever has time now and none later, like an
 * agent that nobody asks anything yet. Each step takes a millisecond or few, and gives the number of entries that were computed so far.
 */
export function* warmUpSteps(): Generator<number, void> {
  const repository = new Repository();
  const { selectors } = repository;
  for (const [id, labels] of reservedIdentities()) selectors.upsertIdentity(id, labels);
  for (let index = 0; index < IDENTITIES; index++) selectors.upsertIdentity(FIRST_IDENTITY + index, labelsOf(index));
  let entries = 0;
  for (let index = 0; index < POLICIES; index++) {
    const { key, rules } = parse(policyOf(index));
    repository.upsert(key, rules);
    yield entries;
  }
  const cache = new PolicyCache(repository, () => []);
  for (let index = 0; index < ENDPOINTS; index++) {
    const identity = FIRST_IDENTITY + index;
    cache.policyOf({ identity, labels: labelsOf(index), namedPorts: [] }).forEachEntry(() => {
      entries++;
    });
    yield entries;
  }
  for (let index = POLICIES; index < POLICIES + REPLACEMENTS; index++) {
    const { key, rules } = parse(policyOf(index));
    for (const { changes } of cache.replacePolicy(key, rules)) entries += countOf(changes?.added ?? []);
    yield entries;
  }
}

/** All steps at once. Returns the entries that were computed. */
export function warmUp(): number {
  let entries = 0;
  for (const soFar of warmUpSteps()) entries = soFar;
  return entries;
}
