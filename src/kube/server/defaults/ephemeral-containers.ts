import { equalJson, type Fields } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { itemsOf } from "./pod.ts";

const PATH = "spec.ephemeralContainers";

const forbidden = (why: string): FieldError => ({
  field: PATH,
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
});

/** Ephemeral containers come to a pod that is there, and then stay as they are. `old` is undefined for a new pod. */
export function ephemeralChangeErrors(spec: Fields, old: Fields | undefined): FieldError[] {
  const given = itemsOf(spec, "ephemeralContainers");
  if (old === undefined) return given.length > 0 ? [forbidden("cannot be set on create")] : [];
  return itemsOf(old, "ephemeralContainers").flatMap((container) => {
    const { name } = container;
    const same = given.find((candidate) => candidate.name === name);
    if (same === undefined) return [forbidden(`existing ephemeral containers "${name}" may not be removed`)];
    return equalJson(same, container) ? [] : [forbidden(`existing ephemeral containers "${name}" may not be changed`)];
  });
}
