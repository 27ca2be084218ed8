import type { EndpointModel } from "../../agent/api.ts";
import { alignTabs } from "../../flow/print/index.ts";
import { ReservedIdentity } from "../../model/addresses.ts";
import { CommandError } from "../cobra/run.ts";

/** Cilium's tables: cells end in at least three spaces, the last one too. */
const TABLE = { minWidth: 5, padding: 3 };

/** Rows aligned as in every table of the command. */
export function table(rows: readonly (readonly string[])[]): string {
  return alignTabs(rows.map((row) => `${row.join("\t")}\t\n`).join(""), TABLE);
}

/** What is audited is not enforced: the real command says so in these words. */
function enforcement(enforced: boolean, audited: boolean): string {
  if (!enforced) return "Disabled";
  return audited ? "Disabled (Audit)" : "Enabled";
}

function endpointRows(endpoint: EndpointModel): string[][] {
  const [first = "", ...others] = endpoint.labels;
  // the node itself has no address here, as in the real command
  const { address, address6 = "" } = endpoint.identity === ReservedIdentity.Host ? { address: "" } : endpoint;
  return [
    [
      String(endpoint.id),
      enforcement(endpoint.ingressEnforced, endpoint.audited),
      enforcement(endpoint.egressEnforced, endpoint.audited),
      String(endpoint.identity),
      first,
      address6,
      address,
      endpoint.state,
    ],
    ...others.map((label) => ["", "", "", "", label, "", "", ""]),
  ];
}

/** `cilium endpoint list`: one endpoint a row, its further labels below, sorted by id. */
export function endpointTable(endpoints: readonly EndpointModel[]): string {
  const sorted = [...endpoints].sort((a, b) => a.id - b.id);
  return table([
    [
      "ENDPOINT",
      "POLICY (ingress)",
      "POLICY (egress)",
      "IDENTITY",
      "LABELS (source:key[=value])",
      "IPv6",
      "IPv4",
      "STATUS",
    ],
    ["", "ENFORCEMENT", "ENFORCEMENT", "", "", "", "", ""],
    ...sorted.flatMap(endpointRows),
  ]);
}

function policyEnabled({ ingressEnforced, egressEnforced, audited }: EndpointModel): string {
  if (!ingressEnforced && !egressEnforced) return "none";
  const directions = ingressEnforced && egressEnforced ? "both" : ingressEnforced ? "ingress" : "egress";
  return audited ? `audit-${directions}` : directions;
}

/** The form that Cilium's API gives an endpoint, as far as the agent knows it. */
export function endpointJson(endpoint: EndpointModel): object {
  const { address, address6 } = endpoint;
  return {
    id: endpoint.id,
    status: {
      "external-identifiers": {
        "container-id": endpoint.containerId,
        "k8s-namespace": endpoint.podNamespace,
        "k8s-pod-name": endpoint.podName,
      },
      identity: { id: endpoint.identity, labels: endpoint.labels },
      labels: { "security-relevant": endpoint.labels },
      networking: {
        addressing: address === "" ? [] : [{ ipv4: address, ...(address6 === undefined ? {} : { ipv6: address6 }) }],
        "interface-name": endpoint.interfaceName,
      },
      policy: { realized: { "policy-enabled": policyEnabled(endpoint), "policy-revision": endpoint.revision } },
      state: endpoint.state,
    },
  };
}

/**
 * Finds an endpoint by id, `pod-name:namespace/name`, `ipv4:address` or `ipv6:address`. Throws CommandError when there is none.
 */
export function findEndpoint(endpoints: readonly EndpointModel[], wanted: string): EndpointModel {
  const namesOf = ({ id, podNamespace, podName, address, address6 }: EndpointModel) => [
    String(id),
    `pod-name:${podNamespace}/${podName}`,
    `ipv4:${address}`,
    `ipv6:${address6}`,
  ];
  const found = endpoints.find((endpoint) => namesOf(endpoint).includes(wanted));
  if (found) return found;
  throw new CommandError(
    `Cannot get endpoint ${wanted}: no such endpoint on this node: \`cilium endpoint list\` shows them`,
  );
}
