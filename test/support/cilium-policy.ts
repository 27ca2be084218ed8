/** A CiliumNetworkPolicy with this spec; `more` = fields of the object beside it, or in place of it. */
export function policy(spec: unknown, more: object = {}): unknown {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "ns", uid: "u" },
    spec,
    ...more,
  };
}

/** Makes it a clusterwide one. */
export const CLUSTERWIDE = { kind: "CiliumClusterwideNetworkPolicy", metadata: { name: "p" } };
