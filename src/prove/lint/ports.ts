import { protocolName, protocolNumber } from "../../model/protocol.ts";
import { selects } from "../../model/selector.ts";
import type { PeerRule, PortSpec, Rule } from "../../policy/rule.ts";
import type { PolicyObject } from "../inventory.ts";
import type { Service } from "../service.ts";
import { elementsOf, inPolicy, type LintContext, numbersOf, type Subject, subjectsOf } from "./context.ts";
import type { Finding } from "./finding.ts";

/** Who listens on the ports that an element names: at ingress its own pods, at egress the peers' pods. */
function listeners(context: LintContext, policy: PolicyObject, rule: Rule, element: PeerRule): Subject[] {
  if (element.direction === "ingress") return subjectsOf(context, policy, rule);
  const selectors = element.peers.flatMap((peer) => context.cluster.engine.repository.selectorsOf(peer));
  return context.subjects.filter(({ labels }) => selectors.some((selector) => selects(selector, labels)));
}

/** Rules that name the port of a service where policy sees the port of the pods. */
export function servicePorts(context: LintContext): Finding[] {
  return [...elementsOf(context)].flatMap(({ policy, rule, element }) => {
    const pods = listeners(context, policy, rule, element);
    return numbersOf(element).flatMap((spec) => {
      const service =
        pods.length > 0 && pods.every((pod) => !listens(pod, spec)) ? leading(context, pods, spec) : undefined;
      if (service === undefined) return [];
      const { name, targetPort } = service;
      const message = `port ${spec.port} is that of service ${name}; policy sees the pods' port, ${targetPort}`;
      const finding = inPolicy("SG011", policy, `${element.path}.toPorts`, message, `write port ${targetPort}`);
      return [{ ...finding, ports: { from: spec.port, to: targetPort } }];
    });
  });
}

/** A pod that declares no port may listen anywhere. */
function listens({ workload }: Subject, { protocol, port, endPort }: PortSpec): boolean {
  const { ports } = workload;
  return (
    ports.length === 0 ||
    ports.some((each) => protocolNumber(each.protocol) === protocol && port <= each.port && each.port <= endPort)
  );
}

function leading(
  { inventory }: LintContext,
  pods: readonly Subject[],
  { protocol, port }: PortSpec,
): { name: string; targetPort: number | string } | undefined {
  for (const service of inventory.services) {
    const mapped = service.ports.find(
      (each) => each.port === port && each.targetPort !== port && protocolNumber(each.protocol) === protocol,
    );
    if (mapped !== undefined && pods.every((pod) => isBehind(service, pod)))
      return { name: service.name, targetPort: mapped.targetPort };
  }
  return undefined;
}

function isBehind({ namespace, selector }: Service, { workload }: Subject): boolean {
  const entries = Object.entries(selector);
  return (
    entries.length > 0 &&
    workload.namespace === namespace &&
    entries.every(([key, value]) => workload.labels[key] === value)
  );
}

/** Names of ports that none of the pods has: such a rule grants nothing. */
export function unknownPortNames(context: LintContext): Finding[] {
  return [...elementsOf(context)].flatMap(({ policy, rule, element }) => {
    const pods = listeners(context, policy, rule, element);
    if (pods.length === 0) return [];
    const names = (element.ports ?? []).flatMap(({ ports }) => ports).filter(({ name }) => name !== undefined);
    const missing = names.filter(
      ({ name, protocol }) =>
        !names.some((each) => each.name === name && each.protocol !== protocol && has(pods, each)) &&
        !has(pods, { name, protocol }),
    );
    return [...new Set(missing.map(({ name }) => name!))].map((name) => {
      const there = [
        ...new Set(
          pods.flatMap(({ workload }) =>
            workload.ports.flatMap((each) => (each.name === undefined ? [] : [`${each.name} (${each.protocol})`])),
          ),
        ),
      ];
      const protocols = [
        ...new Set(missing.filter((each) => each.name === name).map(({ protocol }) => protocolName(protocol))),
      ].join(", ");
      const mend =
        there.length === 0
          ? "write the number, or name the port in the pods' template"
          : `the pods have ${there.join(", ")}`;
      return inPolicy(
        "SG012",
        policy,
        `${element.path}.toPorts`,
        `no pod has a ${protocols} port called ${name}, so it grants nothing`,
        mend,
      );
    });
  });
}

function has(pods: readonly Subject[], { name, protocol }: Pick<PortSpec, "name" | "protocol">): boolean {
  return pods.some(({ workload }) =>
    workload.ports.some((port) => port.name?.toLowerCase() === name && protocolNumber(port.protocol) === protocol),
  );
}
