import { peers, podSelector, type Surroundings } from "./policy-scenarios-peers.ts";
import { icmps, type PortsKind, plainPorts, ports } from "./policy-scenarios-ports.ts";
import type { Random } from "./policy-scenarios-random.ts";

/** Random CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy objects. */

interface SpecKind extends PortsKind {
  readonly surroundings: Surroundings;
}

function element(random: Random, prefix: "from" | "to", deny: boolean, kind: SpecKind): object {
  const where = random.one<object>([
    [6, () => ({})],
    [
      12,
      () => ({
        toPorts: random.list(1, 2, () => (deny ? plainPorts(random) : ports(random, prefix === "to", kind))),
      }),
    ],
    [0.7, () => ({ toPorts: random.pick([[], null]) })],
    [3, () => ({ icmps: icmps(random) })],
  ]);
  const auth = !deny && random.percent(5);
  return {
    ...peers(random, prefix, deny, kind.surroundings),
    ...where,
    ...(auth ? { authentication: { mode: random.pick(["required", "disabled", "test-always-fail"]) } } : {}),
  };
}

/** Deny is rare, or nothing would be left of the rest. */
function sections(random: Random, kind: SpecKind): object {
  const list = (prefix: "from" | "to", deny: boolean) =>
    random.list(1, 2, () => (random.percent(4) ? {} : element(random, prefix, deny, kind)));
  const ingress = random.percent(70);
  const egress = random.percent(ingress ? 55 : 90);
  return {
    ...(ingress ? { ingress: list("from", false) } : {}),
    ...(random.percent(18) ? { ingressDeny: list("from", true) } : {}),
    ...(egress ? { egress: list("to", false) } : {}),
    ...(random.percent(18) ? { egressDeny: list("to", true) } : {}),
    ...(ingress || egress ? {} : { ingress: [{}] }),
  };
}

function defaultDeny(random: Random): object {
  if (!random.percent(25)) return {};
  return {
    enableDefaultDeny: {
      ...(random.percent(75) ? { ingress: random.percent(20) } : {}),
      ...(random.percent(75) ? { egress: random.percent(20) } : {}),
    },
  };
}

function spec(random: Random, isClusterwide: boolean, surroundings: Surroundings): object {
  const isNode = isClusterwide && random.percent(surroundings.hasHostFirewall ? 50 : 5);
  const subject = isNode
    ? { nodeSelector: random.pick<object>([{}, { matchLabels: { zone: random.pick(["east", "west"]) } }]) }
    : { endpointSelector: subjectSelector(random, isClusterwide) };
  return {
    ...subject,
    ...sections(random, { surroundings, isNode, isClusterwide }),
    ...defaultDeny(random),
    ...(random.percent(5) ? { log: { value: "noted" } } : {}),
    ...(random.percent(5) ? { description: "words" } : {}),
    ...(random.percent(5) ? { labels: [{ key: "team", value: "x", source: "k8s" }] } : {}),
  };
}

function subjectSelector(random: Random, isClusterwide: boolean): object {
  return random.one<object>([
    [12, () => ({})],
    [6, () => podSelector(random)],
    [1, () => ({ matchLabels: { "k8s:io.kubernetes.pod.namespace": "ns2" } })],
    [isClusterwide ? 1 : 0, () => ({ matchLabels: { "reserved:init": "" } })],
  ]);
}

/** `namespace` is empty for a clusterwide policy. */
export function ciliumPolicy(random: Random, name: string, namespace: string, surroundings: Surroundings): object {
  const specs = random.list(1, random.percent(20) ? 2 : 1, () => spec(random, namespace === "", surroundings));
  return {
    apiVersion: "cilium.io/v2",
    kind: namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name, ...(namespace === "" ? {} : { namespace }) },
    ...(specs.length === 1 && random.percent(85) ? { spec: specs[0] } : { specs }),
  };
}
