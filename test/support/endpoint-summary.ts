import type { EndpointModel } from "../../src/agent/api-models.ts";

/** What tests look at in an endpoint of the agent's API. */
export interface EndpointSummary {
  readonly id: number;
  readonly podName: string;
  readonly address: string;
  readonly identity: number;
  readonly labels: readonly string[];
  readonly state: string;
  readonly ingressEnforced: boolean;
  readonly egressEnforced: boolean;
  readonly audited: boolean;
  readonly revision: number;
}

export function endpointSummary({ id, status }: EndpointModel): EndpointSummary {
  const { realized } = status.policy;
  const enabled = realized["policy-enabled"];
  return {
    id,
    podName: status["external-identifiers"]["k8s-pod-name"] ?? "",
    address: status.networking.addressing[0]?.ipv4 ?? "",
    identity: status.identity.id,
    labels: status.identity.labels,
    state: status.state,
    ingressEnforced: /both|ingress/.test(enabled),
    egressEnforced: /both|egress/.test(enabled),
    audited: status.realized.options.PolicyAuditMode === "Enabled",
    revision: realized["policy-revision"],
  };
}
