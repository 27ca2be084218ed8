import { Protocol } from "../../model/protocol.ts";
import { DIRECTIONS, type Direction } from "../../model/verdict.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import { lookup } from "../../policy/lookup.ts";
import { type Rule, Tier } from "../../policy/rule.ts";
import { Cluster, endpointName, namespaceLabelsOf, titleOf } from "../cluster.ts";
import type { PolicyObject } from "../inventory.ts";
import { elementsOf, inPolicy, type LintContext, subjectsOf } from "./context.ts";
import type { Finding } from "./finding.ts";

/** Rules of denials alone: with them everything else is denied too. */
export function denyOnlyRules(context: LintContext): Finding[] {
  return context.inventory.policies.flatMap((policy) =>
    policy.rules.flatMap((rule) => DIRECTIONS.flatMap((direction) => denyOnly(context, policy, rule, direction))),
  );
}

function denyOnly(context: LintContext, policy: PolicyObject, rule: Rule, direction: Direction): Finding[] {
  const own = rule.elements.filter((element) => element.direction === direction && element.tier === Tier.Normal);
  if (!rule.defaultDeny[direction] || own.length === 0 || own.some(({ verdict }) => verdict !== "deny")) return [];
  const isAllowed = (other: Rule) =>
    other.elements.some((each) => each.direction === direction && each.verdict === "allow");
  const subjects = subjectsOf(context, policy, rule);
  const alone = subjects.filter(
    (subject) =>
      !context.inventory.policies.some((each) =>
        each.rules.some((other) => isAllowed(other) && subjectsOf(context, each, other).includes(subject)),
      ),
  );
  if (alone.length === 0 && subjects.length > 0) return [];
  const whom = alone.length === 0 ? "" : ` for ${alone.map(({ workload }) => titleOf(workload)).join(", ")}`;
  const message = `holds only denials, and turns default deny on at ${direction} all the same: everything else is denied too${whom}`;
  return [
    inPolicy(
      "SG005",
      policy,
      own[0]!.path,
      message,
      `write \`enableDefaultDeny: {${direction}: false}\`, or allow the rest`,
    ),
  ];
}

const DNS_PORT = 53;

/** Names outside are learnt from answers that the DNS proxy saw; a workload needs a DNS rule beside `toFQDNs`. */
export function unlearntNames(context: LintContext): Finding[] {
  const { policies } = context.inventory;
  return [...elementsOf(context)].flatMap(({ policy, rule, element }) => {
    if (!element.peers.some(({ kind }) => kind === "fqdn")) return [];
    const asks = (other: Rule) => other.elements.some(({ ports = [] }) => ports.some(({ dns }) => dns !== undefined));
    const subjects = subjectsOf(context, policy, rule);
    const mute = subjects.filter(
      (subject) =>
        !policies.some((each) =>
          each.rules.some((other) => asks(other) && subjectsOf(context, each, other).includes(subject)),
        ),
    );
    const isMute = subjects.length === 0 ? !policy.rules.some(asks) : mute.length > 0;
    if (!isMute) return [];
    const whom = mute.length === 0 ? "" : ` of ${mute.map(({ workload }) => titleOf(workload)).join(", ")}`;
    const message = `toFQDNs knows only addresses from answers that the DNS proxy saw, and no rule${whom} sends DNS there`;
    return [
      inPolicy(
        "SG007",
        policy,
        `${element.path}.toFQDNs`,
        message,
        'allow the cluster\'s DNS on port 53 with `rules: {dns: [{matchPattern: "*"}]}`',
      ),
    ];
  });
}

/** Workloads that are closed at egress and may not even ask for names. */
export function missingDns({ inventory, subjects }: LintContext): Finding[] {
  const dns = {
    name: "dns-server",
    namespace: "kube-system",
    labels: { "k8s-app": "kube-dns" },
    namespaceLabels: namespaceLabelsOf(inventory, "kube-system"),
    serviceAccount: "coredns",
  };
  const cluster = new Cluster(inventory, { endpoints: [dns] });
  const { engine } = cluster;
  const identity = engine.world.find("kube-system/dns-server")!.identity;
  const byPolicy = new Map<string, { place: ReturnType<Cluster["locate"]>; names: string[] }>();
  for (const { workload } of subjects) {
    const policy = engine.policyOf(engine.world.find(`${workload.namespace}/${endpointName(workload)}`)!);
    if (policy instanceof PolicyConflict || !policy.egressEnforced) continue;
    const { verdict, origins } = lookup(policy, {
      direction: "egress",
      identity,
      protocol: Protocol.Udp,
      port: DNS_PORT,
    });
    const [origin] = origins;
    if (verdict !== "deny" || origin === undefined || origin.kind === "") continue;
    const id = `${origin.kind} ${origin.namespace}/${origin.name} ${origin.path}`;
    const known = byPolicy.get(id) ?? { place: cluster.locate(origin), names: [] };
    known.names.push(titleOf(workload));
    byPolicy.set(id, known);
  }
  return [...byPolicy.values()].map(({ place, names }) => ({
    code: "SG008",
    object: place.policy,
    file: place.file ?? "",
    line: place.line ?? 1,
    message: `closes egress, and no rule lets ${names.join(", ")} ask the cluster's DNS (pods k8s-app=kube-dns in kube-system, UDP 53)`,
    mend: "allow it, or say with a suppression that they need no names",
  }));
}
