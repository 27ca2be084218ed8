import { type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { compileRule } from "../cel.ts";
import { forbiddenValue, invalid, requiredValue, unsupported } from "../field-error.ts";
import { childPath } from "../node.ts";
import { dns1035Problems, dnsSubdomainProblems, problems } from "./names.ts";

function ruleErrors(path: string, schema: Fields): FieldError[] {
  return listOf(schema["x-kubernetes-validations"])
    .map(fieldsOf)
    .flatMap((rule, index) => {
      const place = `${path}.x-kubernetes-validations[${index}]`;
      const texts = rule.messageExpression === undefined ? ["rule"] : ["rule", "messageExpression"];
      const isOptional = rule.optionalOldSelf === true;
      return [
        ...texts.flatMap((name) => expressionErrors(`${place}.${name}`, rule[name])),
        ...(isOptional
          ? [forbiddenValue(`${place}.optionalOldSelf`, "rules without an old value are not asked here")]
          : []),
      ];
    });
}

function expressionErrors(path: string, text: unknown): FieldError[] {
  try {
    compileRule(String(text ?? ""));
    return [];
  } catch (error) {
    return [invalid(path, text ?? "", error instanceof Error ? error.message : String(error))];
  }
}

const BRANCHES = ["items", "additionalProperties", "not"];

/** Rules that are not served are refused here, where they can be named, not when an object meets them. */
function schemaErrors(path: string, schema: Fields): FieldError[] {
  const errors = ruleErrors(path, schema);
  for (const [name, child] of Object.entries(fieldsOf(schema.properties))) {
    errors.push(...schemaErrors(`${path}.properties[${name}]`, fieldsOf(child)));
  }
  for (const branch of BRANCHES) {
    if (schema[branch] !== undefined) errors.push(...schemaErrors(childPath(path, branch), fieldsOf(schema[branch])));
  }
  if (schema.$ref) errors.push(forbiddenValue(`${path}.$ref`, "must not be set: write the schema out"));
  return errors;
}

function versionErrors(path: string, version: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (!version.name) errors.push(requiredValue(`${path}.name`));
  else errors.push(...problems(`${path}.name`, version.name, dns1035Problems(String(version.name))));
  const schema = fieldsOf(version.schema).openAPIV3Schema;
  const place = `${path}.schema.openAPIV3Schema`;
  if (!schema) return [...errors, requiredValue(place, "schemas are required")];
  const { type } = fieldsOf(schema);
  if (type !== "object") {
    errors.push(
      type
        ? invalid(`${place}.type`, type, "must be object at the root")
        : requiredValue(`${place}.type`, "must not be empty at the root"),
    );
  }
  return [...errors, ...schemaErrors(place, fieldsOf(schema))];
}

function conversionErrors(conversion: Fields): FieldError[] {
  if (conversion.strategy === undefined || conversion.strategy === "None") return [];
  return [unsupported("spec.conversion.strategy", conversion.strategy, ["None"])];
}

/** Rules for a CustomResourceDefinition. Conversion by webhook is refused: this server calls none. */
export function validateDefinition(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const names = fieldsOf(spec.names);
  const versions = listOf(spec.versions).map(fieldsOf);
  const errors: FieldError[] = [];
  const wanted = `${names.plural ?? ""}.${spec.group ?? ""}`;
  if (object.metadata.name !== wanted) {
    errors.push(invalid("metadata.name", object.metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  if (!spec.group) errors.push(requiredValue("spec.group"));
  else errors.push(...problems("spec.group", spec.group, dnsSubdomainProblems(String(spec.group))));
  for (const name of ["plural", "kind"]) if (!names[name]) errors.push(requiredValue(`spec.names.${name}`));
  if (names.plural) errors.push(...problems("spec.names.plural", names.plural, dns1035Problems(String(names.plural))));
  if (!spec.scope) errors.push(requiredValue("spec.scope"));
  else if (spec.scope !== "Namespaced" && spec.scope !== "Cluster") {
    errors.push(unsupported("spec.scope", spec.scope, ["Cluster", "Namespaced"]));
  }
  if (versions.filter((version) => version.storage === true).length !== 1) {
    errors.push(
      invalid("spec.versions", spec.versions ?? [], "must have exactly one version marked as storage version"),
    );
  }
  errors.push(...versions.flatMap((version, index) => versionErrors(`spec.versions[${index}]`, version)));
  return [...errors, ...conversionErrors(fieldsOf(spec.conversion))];
}
