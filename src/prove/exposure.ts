import { NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX } from "../model/identity.ts";
import { type LabelSelector, selects } from "../model/selector.ts";
import type { ScenarioEndpoint } from "../policy/scenario-format.ts";
import type { Inventory } from "./inventory.ts";
import { labelsOfWorkload } from "./party.ts";

/** Pods of one namespace that are supposed at most. */
const MOST_PODS = 20;

/**
 * Pods that nobody described and that could come: in each namespace one without labels, and one for each selector of peers that
 * no workload there meets, with the labels that it wants.
 */
export function unmatchedPods(inventory: Inventory): ScenarioEndpoint[] {
  const { workloads, namespaces, policies } = inventory;
  const names = new Set([
    ...workloads.map(({ namespace }) => namespace),
    ...namespaces.keys(),
    ...policies.map(({ key }) => key.namespace),
  ]);
  names.delete("");
  const selectors = peerSelectors(inventory);
  return [...names].sort().flatMap((namespace) => {
    const present = workloads
      .filter((each) => each.namespace === namespace)
      .map((each) => labelsOfWorkload(each, inventory));
    const wanted = new Map<string, Record<string, string>>();
    for (const selector of selectors) {
      const labels = labelsFor(selector, namespace);
      if (labels === undefined || Object.keys(labels).length === 0) continue;
      const isMet = present.some((each) => selects(selector, each));
      if (!isMet)
        wanted.set(
          Object.entries(labels)
            .map((pair) => pair.join("="))
            .sort()
            .join(","),
          labels,
        );
    }
    const base = { namespace, serviceAccount: "default" };
    const pods = [...wanted]
      .slice(0, MOST_PODS)
      .map(([text, labels]) => ({ ...base, name: `any pod with ${text}`, labels }));
    return [{ ...base, name: "any other pod", labels: {} }, ...pods];
  });
}

function peerSelectors({ policies }: Inventory): LabelSelector[] {
  const all = policies.flatMap(({ rules }) => rules.flatMap(({ elements }) => elements.flatMap(({ peers }) => peers)));
  return all.filter((peer): peer is LabelSelector => peer.kind === "labels");
}

/** The fewest labels of a pod in the namespace that the selector wants; undefined = it wants none of there. */
function labelsFor({ requirements }: LabelSelector, namespace: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const { source, key, operator, values } of requirements) {
    if (source !== "k8s" && source !== "any") return undefined;
    if (key === NAMESPACE_LABEL && operator === "In" && !values.includes(namespace)) return undefined;
    if (key.startsWith("io.cilium.") || key === NAMESPACE_LABEL || key.startsWith(NAMESPACE_LABELS_PREFIX)) continue;
    if (operator === "In") labels[key] = values[0] ?? "";
    else if (operator === "Exists") labels[key] = "any";
  }
  return labels;
}
