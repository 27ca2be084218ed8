import type { Inventory } from "../inventory.ts";
import { contextOf } from "./context.ts";
import { denyOnlyRules, missingDns, unlearntNames } from "./default-deny.ts";
import type { Finding } from "./finding.ts";
import { oneSidedRules } from "./one-sided.ts";
import { openDatabases, unprotectedWorkloads, widePrefixes } from "./openness.ts";
import { servicePorts, unknownPortNames } from "./ports.ts";
import { emptySelections, engineWarnings, hostNetworkSubjects, idleExclusions } from "./selectors.ts";
import { shadowedRules } from "./shadow.ts";
import { suppressed } from "./suppress.ts";

export interface LintResult {
  /** By file and line; suppressed ones are among them. */
  readonly findings: readonly Finding[];
  readonly policies: number;
  readonly workloads: number;
  /** What was not looked at. */
  readonly notes: readonly string[];
}

const CHECKS = [
  engineWarnings,
  emptySelections,
  idleExclusions,
  hostNetworkSubjects,
  servicePorts,
  unknownPortNames,
  widePrefixes,
  openDatabases,
  unprotectedWorkloads,
  denyOnlyRules,
  unlearntNames,
  missingDns,
  oneSidedRules,
];

/** Everything that is wrong or strange with the policies, seen together with the workloads that they are for. `hooks` = also those of Helm. */
export function lint(inventory: Inventory, { hooks = false } = {}): LintResult {
  const context = contextOf(inventory, hooks);
  const shadows = shadowedRules(context);
  const findings = suppressed([...CHECKS.flatMap((check) => check(context)), ...shadows.findings], inventory);
  const notes =
    shadows.left === 0 ? [] : [`${shadows.left} rules were not compared with the others: there are too many`];
  return {
    findings: sorted(distinct(findings)),
    policies: inventory.policies.length,
    workloads: inventory.workloads.length,
    notes,
  };
}

/** Rules that are cut into several may be found wanting several times in the same words. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [
    ...new Map(
      findings.map((each) => [JSON.stringify([each.code, each.file, each.line, each.message]), each]),
    ).values(),
  ];
}

function sorted(findings: readonly Finding[]): Finding[] {
  const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
  return [...findings].sort((a, b) => compare(a.file, b.file) || compare(a.line, b.line) || compare(a.code, b.code));
}
