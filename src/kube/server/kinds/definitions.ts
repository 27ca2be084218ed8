import { fieldsOf, type KubeObject } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { defaultDefinition, establish } from "../custom-resources.ts";
import { declareKind, type ResourceKind, statusOf } from "../kind.ts";

function conversionErrors(definition: KubeObject): FieldError[] {
  const strategy = fieldsOf(fieldsOf(definition.spec).conversion).strategy;
  if (strategy === undefined || strategy === "None") return [];
  const message = `Unsupported value: ${JSON.stringify(strategy)}: supported values: "None" (the lab calls no conversion webhooks)`;
  return [{ field: "spec.conversion.strategy", reason: "FieldValueNotSupported", message }];
}

/** apiextensions.k8s.io/v1 CustomResourceDefinition: in force as soon as it is stored. */
export const definitionKind: ResourceKind = declareKind({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  counted: true,
  subresources: [statusOf("CustomResourceDefinition")],
  strategy: {
    fillDefaults: defaultDefinition,
    prepareCreate: (definition, { now }) => establish(definition, now),
    prepareUpdate: (next, old, { now }) => {
      if (next.metadata.deletionTimestamp || JSON.stringify(next.spec) === JSON.stringify(old.spec)) return;
      establish(next, now);
    },
    validate: conversionErrors,
  },
});
