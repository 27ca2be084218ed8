import { isWildcard, selects } from "../../model/selector.ts";
import type { WarningTopic } from "../../policy/rule.ts";
import { labelsOfWorkload } from "../party.ts";
import { elementsOf, inPolicy, isOutOfSight, type LintContext, subjectsOf } from "./context.ts";
import type { Code, Finding } from "./finding.ts";

const OF_TOPIC: Readonly<Record<WarningTopic, Code | undefined>> = {
  "default-deny": undefined, // a policy that only closes is what people write on purpose
  "matches-nothing": "SG003",
  "empty-list": "SG006",
  "unseen-label": "SG009",
  open: "SG016",
  names: undefined, // SG007 looks at all policies of a workload, not at one
};

const MENDS: Partial<Record<Code, string>> = {
  SG003: "take the rule out, or write what it should match",
  SG006: "leave the field out to mean everybody; to deny everything write `ingress: [{}]` in a Cilium policy",
  SG009: "select by a label that is part of identities, such as app",
  SG016: "add a policy that turns default deny on in this direction",
  SG017: "take it out",
};

/** What the engine's own reading warns of. */
export function engineWarnings({ inventory }: LintContext): Finding[] {
  return inventory.policies.flatMap((policy) =>
    policy.warnings.flatMap(({ field, message, topic }) => {
      const code = topic === undefined ? "SG017" : OF_TOPIC[topic];
      return code === undefined ? [] : [inPolicy(code, policy, field, message, MENDS[code]!)];
    }),
  );
}

/** Policies and peers that select none of the workloads. */
export function emptySelections(context: LintContext): Finding[] {
  const { inventory, subjects, cluster } = context;
  if (inventory.workloads.length === 0) return [];
  const idle = inventory.policies.flatMap((policy) => {
    const isIdle = policy.rules.every((rule) => !rule.isNode && subjectsOf(context, policy, rule).length === 0);
    const isUnseen = policy.rules.some((rule) => rule.isNode || isOutOfSight(rule.subject, context));
    if (!isIdle || isUnseen || isOnNode(context, policy)) return [];
    return [
      inPolicy(
        "SG001",
        policy,
        "spec",
        "selects no workload of these files",
        "compare its labels with those of the pods' template",
      ),
    ];
  });
  const peers = [...elementsOf(context)].flatMap(({ policy, element }) =>
    element.peers.flatMap((peer) => {
      if (peer.kind !== "labels" || isWildcard(peer) || isOutOfSight(peer, context)) return [];
      const isMet = subjects.some(({ labels }) => selects(peer, labels, cluster.engine.repository.selectors.options));
      const labels = peer.requirements
        .filter(({ key }) => !key.startsWith("io."))
        .map(({ key, values }) => `${key}=${values.join("|")}`);
      if (isMet || labels.length === 0) return [];
      return [
        inPolicy(
          "SG002",
          policy,
          element.path,
          `its peer ${labels.join(", ")} selects no workload of these files`,
          "compare the labels with those of the pods' template; a peer in another namespace needs the namespace's label",
        ),
      ];
    }),
  );
  return [...idle, ...peers];
}

/** Selectors that only exclude, and exclude nobody. */
export function idleExclusions(context: LintContext): Finding[] {
  const { subjects } = context;
  if (subjects.length === 0) return [];
  return [...elementsOf(context)].flatMap(({ policy, element }) =>
    element.peers.flatMap((peer) => {
      if (peer.kind !== "labels") return [];
      const excluding = peer.requirements.filter(({ operator }) => operator === "NotIn" || operator === "DoesNotExist");
      const isIdle =
        excluding.length > 0 &&
        subjects.every(({ labels }) =>
          excluding.every((each) => selects({ kind: "labels", requirements: [each], text: "" }, labels)),
        );
      if (!isIdle || isOutOfSight(peer, context)) return [];
      const keys = excluding.map(({ key }) => key).join(", ");
      return [
        inPolicy(
          "SG018",
          policy,
          element.path,
          `excludes by ${keys}, and no workload of these files has what it excludes`,
          "check the spelling of key and values",
        ),
      ];
    }),
  );
}

/** Policies whose labels fit pods that share their node's network: to policy those are the node. */
export function hostNetworkSubjects(context: LintContext): Finding[] {
  return context.inventory.policies.flatMap((policy) => {
    const names = onNode(context, policy);
    if (names.length === 0) return [];
    return [
      inPolicy(
        "SG015",
        policy,
        "spec",
        `does nothing for ${names.join(", ")}: pods with hostNetwork are their node`,
        "use a clusterwide policy with nodeSelector and the host firewall, or no hostNetwork",
      ),
    ];
  });
}

function isOnNode(context: LintContext, policy: Parameters<typeof onNode>[1]): boolean {
  return onNode(context, policy).length > 0;
}

function onNode({ inventory }: LintContext, { key, rules }: LintContext["inventory"]["policies"][number]): string[] {
  const hosts = inventory.workloads.filter(
    ({ isHostNetwork, namespace }) => isHostNetwork && (key.namespace === "" || namespace === key.namespace),
  );
  const chosen = hosts.filter((workload) =>
    rules.some(
      (rule) =>
        !rule.isNode &&
        rule.subject.requirements.some(({ key: name }) => !name.startsWith("io.")) &&
        selects(rule.subject, labelsOfWorkload(workload, inventory)),
    ),
  );
  return chosen.map(({ name }) => name);
}
