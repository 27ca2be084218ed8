import { describe, expect, it } from "vitest";
import { naiveAnswers } from "../oracle/naive-policy.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { coverageOf } from "../support/scenario-coverage.ts";

const SCENARIOS = 1500;

/** Every one of these must occur, or the differential tests say nothing about it. */
const FEATURES = [
  ..."CiliumNetworkPolicy CiliumClusterwideNetworkPolicy NetworkPolicy ClusterNetworkPolicy CiliumCIDRGroup"
    .split(" ")
    .map((kind) => `kind ${kind}`),
  ...["Endpoints", "CIDR", "CIDRSet", "Entities", "Nodes"].flatMap((name) => [
    `field CiliumNetworkPolicy from${name}`,
    `field CiliumNetworkPolicy to${name}`,
  ]),
  ..."toServices toFQDNs cidrGroupRef cidrGroupSelector except icmps authentication http dns serverNames headerMatches headers listener"
    .split(" ")
    .map((name) => `field CiliumNetworkPolicy ${name}`),
  ..."ingressDeny egressDeny enableDefaultDeny endPort log labels description terminatingTLS originatingTLS"
    .split(" ")
    .map((name) => `field CiliumNetworkPolicy ${name}`),
  "field CiliumClusterwideNetworkPolicy nodeSelector",
  ..."ipBlock namespaceSelector podSelector policyTypes endPort"
    .split(" ")
    .map((name) => `field NetworkPolicy ${name}`),
  ..."networks nodes domainNames namespaces pods protocols destinationNamedPort range"
    .split(" ")
    .map((name) => `field ClusterNetworkPolicy ${name}`),
  ..."In NotIn Exists DoesNotExist".split(" ").map((word) => `word operator ${word}`),
  ..."Accept Deny Pass".split(" ").map((word) => `word action ${word}`),
  ..."Admin Baseline".split(" ").map((word) => `word tier ${word}`),
  ..."TCP UDP SCTP ANY".split(" ").map((word) => `word protocol ${word}`),
  ..."LOG ADD DELETE REPLACE".split(" ").map((word) => `word mismatch ${word}`),
  ..."required disabled test-always-fail".split(" ").map((word) => `word mode ${word}`),
  ..."0 number name octal".split(" ").map((word) => `port ${word}`),
  "field CiliumNetworkPolicy fromEndpoints empty",
  "field CiliumNetworkPolicy toPorts empty",
  "field CiliumNetworkPolicy toPorts null",
  "policy specs",
  "verdict allowed forwarded",
  "verdict denied dropped",
  "verdict redirect forwarded",
  "verdict redirect dropped",
  "verdict redirect",
  "verdict error",
  "verdict invalid",
  "ingress denied enforced matched",
  "ingress denied enforced",
  "egress redirect enforced matched",
];

describe("random scenarios", { timeout: 60_000 }, () => {
  const scenarios = Array.from({ length: SCENARIOS }, (_, seed) => randomScenario(seed));

  it("are the same for the same seed, and others for another", () => {
    expect(randomScenario(7)).toEqual(scenarios[7]);
    expect(randomScenario(8).policies).not.toEqual(scenarios[7]!.policies);
  });

  it("have every field and come to every verdict", () => {
    const coverage = coverageOf(
      scenarios,
      scenarios.flatMap((scenario) => naiveAnswers(scenario)),
    );
    expect(FEATURES.filter((feature) => !coverage.has(feature))).toEqual([]);
  });

  it("are valid where that is wished", () => {
    const refused = scenarios.slice(0, 300).flatMap((_, seed) => {
      const scenario = randomScenario(seed, { isValid: true });
      return naiveAnswers(scenario).flatMap(({ policy }) => (policy === undefined ? [] : [scenario.policies[policy]]));
    });
    expect(refused).toEqual([]);
  });
});
