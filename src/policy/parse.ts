import { CLUSTER_NAME } from "../model/addresses.ts";
import { parseClusterNetworkPolicy } from "./cluster-network-policy.ts";
import { Field, noFindings } from "./field.ts";
import { parseNetworkPolicy } from "./network-policy.ts";
import { type PolicyHeader, type PolicyKind, readHeader } from "./parse-header.ts";
import { parseCiliumRules, type Surroundings } from "./parse-rule.ts";
import type { FieldError, FieldWarning, PolicyKey, Rule } from "./rule.ts";
import { warnOfRules } from "./warnings.ts";

export { type CidrGroupResult, parseCidrGroup } from "./cidr-group.ts";

export type ParseResult =
  | {
      readonly ok: true;
      readonly key: PolicyKey;
      readonly rules: readonly Rule[];
      /** What is accepted and yet means nothing, or not what its writer is likely to want. */
      readonly warnings: readonly FieldWarning[];
    }
  | { readonly ok: false; readonly errors: readonly FieldError[]; readonly warnings: readonly FieldWarning[] };

export interface ParseOptions {
  /** Name of this cluster, for the entity `cluster`. */
  readonly clusterName?: string;
  /** Whether peers without a cluster in their selector are sought in this cluster alone (Cilium's default: yes). */
  readonly localClusterOnly?: boolean;
  /** Whether nodes' identities carry the labels of their nodes (Cilium's default: no), without which no peer may be a node. */
  readonly nodeSelectorLabels?: boolean;
}

type ReadRules = (
  object: Record<string, unknown>,
  root: Field,
  header: PolicyHeader,
  around: Surroundings,
) => readonly Rule[];

const ciliumRules: ReadRules = (object, root, { key }, around) => parseCiliumRules(object, root, key, around);
const CILIUM = { apiVersions: ["cilium.io/v2"], fields: ["spec", "specs", "status"], read: ciliumRules };

const KINDS: readonly (PolicyKind & { readonly read: ReadRules })[] = [
  { kind: "CiliumNetworkPolicy", isClusterwide: false, ...CILIUM },
  { kind: "CiliumClusterwideNetworkPolicy", isClusterwide: true, ...CILIUM },
  {
    kind: "NetworkPolicy",
    apiVersions: ["networking.k8s.io/v1"],
    isClusterwide: false,
    fields: ["spec", "status"],
    read: parseNetworkPolicy,
  },
  {
    kind: "ClusterNetworkPolicy",
    apiVersions: ["policy.networking.k8s.io/v1alpha2"],
    isClusterwide: true,
    fields: ["spec", "status"],
    read: parseClusterNetworkPolicy,
  },
];

export const POLICY_KINDS: readonly string[] = KINDS.map(({ kind }) => kind);

/**
 * Reads a policy object: CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, NetworkPolicy or ClusterNetworkPolicy. Never
 * throws: all that is wrong with it, fields that are not known included, is in `errors`, and then none of it may be used.
 * It refuses what Cilium 1.20.2 or the schema of the kind refuses.
 */
export function parsePolicy(object: unknown, options: ParseOptions = {}): ParseResult {
  const findings = noFindings();
  const { errors, warnings } = findings;
  const root = new Field("", findings);
  const header = readHeader(object, root, KINDS);
  const kind = KINDS.find((each) => each.kind === header?.kind.kind);
  if (header === undefined || kind === undefined) return { ok: false, errors, warnings };
  const around = {
    clusterName: options.clusterName ?? CLUSTER_NAME,
    isLocalOnly: options.localClusterOnly !== false,
    nodeSelectorLabels: options.nodeSelectorLabels === true,
  };
  const rules = kind.read(object as Record<string, unknown>, root, header, around);
  if (errors.length > 0) return { ok: false, errors, warnings };
  warnOfRules(rules, root);
  return { ok: true, key: header.key, rules, warnings };
}
