import { identityLabelsOfPod, reservedIdentities } from "../../src/model/identity.ts";
import type { Labels } from "../../src/model/label.ts";
import type { ComputedPolicy } from "../../src/policy/computed-policy.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { Repository } from "../../src/policy/repository.ts";
import { resolveEndpointPolicy } from "../../src/policy/resolve.ts";
import type { ResolveOptions, Subject } from "../../src/policy/stance.ts";

export const [SERVER, CLIENT, OTHER] = [1000, 1001, 1002] as const;

/** Labels of a pod in the namespace `default`. */
export function podLabels(app: string): Labels {
  const facts = { namespace: "default", namespaceLabels: {}, serviceAccount: "", cluster: "default" };
  return identityLabelsOfPod({ ...facts, podLabels: { app } });
}

/** The object around a spec, named by its place: one with `tier` is a ClusterNetworkPolicy, one with `nodeSelector` clusterwide. */
function objectOf(spec: object, index: number): object {
  const name = `p${index}`;
  if ("tier" in spec)
    return { apiVersion: "policy.networking.k8s.io/v1alpha2", kind: "ClusterNetworkPolicy", metadata: { name }, spec };
  if ("nodeSelector" in spec)
    return { apiVersion: "cilium.io/v2", kind: "CiliumClusterwideNetworkPolicy", metadata: { name }, spec };
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name, namespace: "default" }, spec };
}

/** A world of three pods and these policies. */
export function repositoryOf(specs: readonly object[]): Repository {
  const repository = new Repository();
  const pods = [
    [SERVER, podLabels("server")],
    [CLIENT, podLabels("client")],
    [OTHER, podLabels("other")],
  ] as const;
  for (const [id, labels] of [...reservedIdentities(), ...pods]) repository.selectors.upsertIdentity(id, labels);
  for (const [index, spec] of specs.entries()) {
    const parsed = parsePolicy(objectOf(spec, index));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    repository.upsert(parsed.key, parsed.rules);
  }
  return repository;
}

/** The policy of the server, or of another subject, in that world. */
export function policyOf(
  specs: readonly object[],
  subject: Partial<Subject> = {},
  options: ResolveOptions = {},
): ComputedPolicy {
  const server: Subject = { labels: podLabels("server"), identity: SERVER, namedPorts: [] };
  return resolveEndpointPolicy(repositoryOf(specs), { ...server, ...subject }, () => [], options);
}

/** A spec that selects the server. */
export const server = { endpointSelector: { matchLabels: { app: "server" } } };
export const from = (app: string) => ({ fromEndpoints: [{ matchLabels: { app } }] });

/** TCP ports, with L7 rules. */
export const on = (port: number | string, rules?: object, endPort?: number) => ({
  toPorts: [
    {
      ports: [{ port: `${port}`, protocol: "TCP", ...(endPort === undefined ? {} : { endPort }) }],
      ...(rules === undefined ? {} : { rules }),
    },
  ],
});

export const query = (identity: number, port: number, direction: "ingress" | "egress" = "ingress") =>
  ({ direction, identity, protocol: 6, port }) as const;

/** A spec of a ClusterNetworkPolicy for the server with one ingress rule on one TCP port. */
export const tierRule = (tier: string, priority: number, action: string, port: number, app?: string) => ({
  tier,
  priority,
  subject: { pods: podsOf("server") },
  ingress: [
    {
      action,
      from: [app === undefined ? { namespaces: {} } : { pods: podsOf(app) }],
      protocols: [{ tcp: { destinationPort: { number: port } } }],
    },
  ],
});

const podsOf = (app: string) => ({ namespaceSelector: {}, podSelector: { matchLabels: { app } } });
