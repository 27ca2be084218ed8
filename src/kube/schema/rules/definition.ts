import { equalJson, type Fields, fieldsOf, isFields, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { ruleCosts } from "../cel.ts";
import { invalid, requiredValue, unsupported } from "../field-error.ts";
import { nodeAt } from "../fields.ts";
import type { SchemaNode } from "../node.ts";
import { RuleBudget } from "./definition-costs.ts";
import { type Place, referenceErrors, rulesErrors } from "./definition-rules.ts";
import { nodeErrors } from "./definition-schema.ts";
import { dns1035Problems, dnsSubdomainProblems, problems } from "./names.ts";

const COLUMNS = ["boolean", "date", "integer", "number", "string"];
const APPROVED = "api-approved.kubernetes.io";
const ENHANCEMENT = "see https://github.com/kubernetes/enhancements/pull/1111";

/** How much more often than a value of the schema what is in it can be there. */
function timesWithin({ type, additionalProperties, maxItems, maxProperties }: Fields): number | undefined {
  const most = type === "array" ? maxItems : type === "object" && additionalProperties ? maxProperties : 1;
  return typeof most === "number" ? Math.max(0, most) : undefined;
}

/** A schema with all that is below it. */
function schemaErrors(path: string, schema: Fields, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  const more = timesWithin(schema);
  const { times: _, ...rest } = place;
  const times = place.times === undefined || more === undefined ? {} : { times: place.times * more };
  const field: Place = { ...rest, ...times, where: "object fields" };
  for (const [name, child] of Object.entries(fieldsOf(schema.properties)))
    errors.push(...schemaErrors(`${path}.properties[${name}]`, fieldsOf(child), field));
  if (isFields(schema.additionalProperties))
    errors.push(...schemaErrors(`${path}.additionalProperties`, schema.additionalProperties, field));
  if (isFields(schema.items)) {
    const apart = schema["x-kubernetes-list-type"] === "map" ? place.apart : (place.apart ?? path);
    const item: Place = { ...field, ...(apart === undefined ? {} : { apart }), where: "array items" };
    errors.push(...schemaErrors(`${path}.items`, schema.items, item));
  }
  return [
    ...errors,
    ...nodeErrors(path, schema, place.where),
    ...rulesErrors(path, schema, place),
    ...referenceErrors(path, schema),
  ];
}

function columnErrors(path: string, version: Fields): FieldError[] {
  const simple = "must be a simple json path starting with .";
  return listOf(version.additionalPrinterColumns)
    .map(fieldsOf)
    .flatMap(({ type, jsonPath }, index) => {
      const place = `${path}.additionalPrinterColumns[${index}]`;
      const errors = COLUMNS.includes(String(type))
        ? []
        : [invalid(`${place}.type`, type ?? "", `must be one of ${COLUMNS.join(",")}`)];
      if (!String(jsonPath).startsWith(".")) errors.push(invalid(`${place}.JSONPath`, jsonPath ?? "", simple));
      return errors;
    });
}

function subresourceErrors(path: string, version: Fields): FieldError[] {
  const { scale } = fieldsOf(version.subresources);
  if (!isFields(scale)) return [];
  return ["specReplicasPath", "statusReplicasPath"].flatMap((name) => {
    const place = `${path}.subresources.scale.${name}`;
    if (!scale[name]) return [requiredValue(place)];
    if (!String(scale[name]).startsWith("."))
      return [invalid(place, scale[name], "must be a simple json path starting with .")];
    const part = name === "specReplicasPath" ? ".spec" : ".status";
    return String(scale[name]).startsWith(`${part}.`)
      ? []
      : [invalid(place, scale[name], `should be a json path under ${part}`)];
  });
}

function selectableErrors(path: string, version: Fields): FieldError[] {
  const { openAPIV3Schema } = fieldsOf(version.schema);
  return listOf(version.selectableFields)
    .map(fieldsOf)
    .flatMap(({ jsonPath }, index) => {
      const steps = String(jsonPath ?? "")
        .split(".")
        .filter(Boolean);
      const isThere = nodeAt(fieldsOf(openAPIV3Schema) as SchemaNode, steps, (same) => same) !== undefined;
      const place = `${path}.selectableFields[${index}].jsonPath`;
      return isThere ? [] : [invalid(place, jsonPath ?? "", "is an invalid path: does not refer to a valid field")];
    });
}

/** What all versions say alike is named as if it stood above them. */
function versionErrors(
  index: number,
  version: Fields,
  versions: readonly Fields[],
  before: readonly Fields[],
): FieldError[] {
  const path = `spec.versions[${index}]`;
  const isAlike = (name: string) => versions.every((other) => equalJson(other[name], version[name]));
  const at = (name: string) => (isAlike(name) ? "spec" : path);
  const isTold = (name: string) => index === 0 || !isAlike(name);
  const errors: FieldError[] = [];
  if (!version.name) errors.push(requiredValue(`${path}.name`));
  else errors.push(...problems(`${path}.name`, version.name, dns1035Problems(String(version.name))));
  const schema = fieldsOf(version.schema).openAPIV3Schema;
  if (!schema) return [...errors, requiredValue(`${path}.schema.openAPIV3Schema`, "schemas are required")];
  const isKnown = before.some((old) => old.name === version.name && equalJson(old.schema, version.schema));
  if (isTold("additionalPrinterColumns")) errors.push(...columnErrors(at("additionalPrinterColumns"), version));
  if (isTold("subresources")) errors.push(...subresourceErrors(at("subresources"), version));
  if (isTold("selectableFields")) errors.push(...selectableErrors(at("selectableFields"), version));
  return isTold("schema")
    ? [...errors, ...rootErrors(isAlike("schema") ? "spec.validation" : `${path}.schema`, schema, isKnown)]
    : errors;
}

/** `isKnown`: it is stored already, and what its rules cost one by one was judged then. */
function rootErrors(path: string, schema: unknown, isKnown: boolean): FieldError[] {
  const { type } = fieldsOf(schema);
  const place = `${path}.openAPIV3Schema`;
  const costs = ruleCosts();
  const budget = costs && new RuleBudget(costs, isKnown);
  const judged = schemaErrors(place, fieldsOf(schema), { where: "", times: 1, ...(budget ? { budget } : {}) });
  const errors = [...judged, ...(budget?.totalErrors(place) ?? [])];
  if (type === "object") return errors;
  const why = type
    ? invalid(`${place}.type`, type, "must be object at the root")
    : requiredValue(`${place}.type`, "must not be empty at the root");
  return [why, ...errors];
}

/** Groups of Kubernetes' own are not everybody's. */
function approvalErrors({ metadata, spec }: KubeObject): FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(String(fieldsOf(spec).group))) return [];
  const place = `metadata.annotations[${APPROVED}]`;
  const given = metadata.annotations?.[APPROVED];
  const what = `protected groups must have approval annotation "${APPROVED}"`;
  if (given === undefined || given === "") return [requiredValue(place, `${what}, ${ENHANCEMENT}`)];
  if (given.startsWith("unapproved") || URL.canParse(given)) return [];
  return [invalid(place, given, `${what} with either a URL or a reason starting with "unapproved", ${ENHANCEMENT}`)];
}

function conversionErrors(conversion: Fields): FieldError[] {
  if (conversion.strategy === undefined || conversion.strategy === "None") return [];
  return [unsupported("spec.conversion.strategy", conversion.strategy, ["None"])];
}

/** Rules for a CustomResourceDefinition; what is stored already (`old`) stays. Conversion by webhook is refused: this server calls none. */
export function validateDefinition(object: KubeObject, old?: KubeObject): FieldError[] {
  if (old && equalJson(old.spec, object.spec) && equalJson(old.metadata.annotations, object.metadata.annotations))
    return [];
  const spec = fieldsOf(object.spec);
  const names = fieldsOf(spec.names);
  const versions = listOf(spec.versions).map(fieldsOf);
  const before = listOf(fieldsOf(old?.spec).versions).map(fieldsOf);
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
  errors.push(...versions.flatMap((version, index) => versionErrors(index, version, versions, before)));
  errors.push(...approvalErrors(object));
  return [...errors, ...conversionErrors(fieldsOf(spec.conversion))];
}
