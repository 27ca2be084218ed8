import { expect, it } from "vitest";
import type { Fields } from "../object.ts";
import { jobPolicyErrors } from "./rules/job-policies.ts";

const template = { spec: { containers: [{ name: "main" }], restartPolicy: "Never" } };
const rule = (more: Fields): Fields => ({
  podFailurePolicy: { rules: [{ action: "FailJob", onExitCodes: { operator: "In", values: [1] }, ...more }] },
});
const RULE = "spec.podFailurePolicy.rules[0]";
const codes = (onExitCodes: Fields): Fields => rule({ onExitCodes });
const indexed = (more: Fields): Fields => ({ completionMode: "Indexed", completions: 3, ...more });
const success = (one: Fields): Fields => indexed({ successPolicy: { rules: [one] } });
const SUCCESS = "spec.successPolicy.rules[0]";

it.each<[Fields, string[]]>([
  [rule({}), []],
  [rule({ action: "Panic" }), [`${RULE}.action: Unsupported value: "Panic"`]],
  [rule({ action: "FailIndex" }), [`${RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex`]],
  [rule({ onExitCodes: undefined }), [`${RULE}: Invalid value: specifying one of`]],
  [rule({ onPodConditions: [{ type: "A", status: "True" }] }), [`${RULE}: Invalid value: specifying both`]],
  [
    rule({ onExitCodes: undefined, onPodConditions: [{ type: "A b", status: "Maybe" }] }),
    [`${RULE}.onPodConditions[0].type: Invalid`, `${RULE}.onPodConditions[0].status: Unsupported value: "Maybe"`],
  ],
  [codes({ operator: "In", values: [] }), [`${RULE}.onExitCodes.values: Invalid value: []: at least one`]],
  [codes({ operator: "In", values: [0] }), [`${RULE}.onExitCodes.values[0]: Invalid value: 0: must not be 0`]],
  [codes({ operator: "NotIn", values: [0, 2, 2] }), [`${RULE}.onExitCodes.values[2]: Duplicate value: 2`]],
  [codes({ operator: "In", values: [3, 2] }), [`${RULE}.onExitCodes.values: Invalid value: [3,2]: must be ordered`]],
  [
    codes({ operator: "In", values: [3], containerName: "other" }),
    [`${RULE}.onExitCodes.containerName: Invalid value: "other": must be one of`],
  ],
  [
    { ...rule({}), template: { spec: { ...template.spec, restartPolicy: "OnFailure" } } },
    ['spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never"'],
  ],
  [indexed({ backoffLimitPerIndex: 1, maxFailedIndexes: 2 }), []],
  [indexed({ maxFailedIndexes: 2 }), ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes"]],
  [{ backoffLimitPerIndex: 1 }, ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"]],
  [
    indexed({ backoffLimitPerIndex: 1, maxFailedIndexes: 4 }),
    ["spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"],
  ],
  [success({ succeededIndexes: "0-1", succeededCount: 2 }), []],
  [success({}), [`${SUCCESS}: Required value: at least one of`]],
  [success({ succeededIndexes: "1-3" }), [`${SUCCESS}.succeededIndexes: Invalid value: "1-3": error parsing`]],
  [success({ succeededIndexes: "1,0" }), [`${SUCCESS}.succeededIndexes: Invalid value: "1,0": error parsing`]],
  [success({ succeededIndexes: "0", succeededCount: 2 }), [`${SUCCESS}.succeededCount: Invalid value: 2: must be`]],
  [success({ succeededCount: 4 }), [`${SUCCESS}.succeededCount: Invalid value: 4: must be less than or equal to 3`]],
  [{ successPolicy: { rules: [] } }, ["spec.successPolicy: Invalid value"]],
  [indexed({ successPolicy: { rules: [] } }), ["spec.successPolicy.rules: Required value: at least one rule"]],
  [{ managedBy: "kubernetes.io/job-controller" }, []],
  [{ managedBy: "me" }, ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path']],
  [{ managedBy: `a/${"b".repeat(62)}` }, ["spec.managedBy: Too long"]],
])("a job's policies are judged: %j", (spec, expected) => {
  const said = jobPolicyErrors("spec", { template, ...spec }).map(({ field, message }) => `${field}: ${message}`);
  expect(said).toEqual(expected.map((text) => expect.stringContaining(text)));
});
