import { badRequest } from "../status.ts";

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "absent" | "gt" | "lt";
  readonly values: readonly string[];
}

export type LabelSelector = (labels: Readonly<Record<string, string>> | undefined) => boolean;

const REQUIREMENT =
  /^\s*(?:!\s*(?<absent>[^\s!=<>,()]+)|(?<key>[^\s!=<>,()]+)\s*(?:(?<equality>==|!=|=|>|<)\s*(?<value>[^\s!=<>,()]*)|\s(?<set>in|notin)\s*\((?<values>[^()]*)\))?)\s*$/;

/** Splits at commas that are not inside parentheses. */
function splitRequirements(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

function parseRequirement(text: string, whole: string): Requirement {
  const groups = REQUIREMENT.exec(text)?.groups;
  if (!groups) throw badRequest(`unable to parse requirement: invalid label selector: ${JSON.stringify(whole)}`);
  if (groups.absent) return { key: groups.absent, operator: "absent", values: [] };
  const key = groups.key!;
  const value = groups.value ?? "";
  if (groups.set) {
    const values = groups.values!.split(",").map((item) => item.trim());
    return { key, operator: groups.set as "in" | "notin", values };
  }
  switch (groups.equality) {
    case undefined:
      return { key, operator: "exists", values: [] };
    case "!=":
      return { key, operator: "notin", values: [value] };
    case ">":
      return { key, operator: "gt", values: [value] };
    case "<":
      return { key, operator: "lt", values: [value] };
    default:
      return { key, operator: "in", values: [value] };
  }
}

function meets(requirement: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[requirement.key];
  switch (requirement.operator) {
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "notin":
      return value === undefined || !requirement.values.includes(value);
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "gt":
      return value !== undefined && Number(value) > Number(requirement.values[0]);
    case "lt":
      return value !== undefined && Number(value) < Number(requirement.values[0]);
  }
}

/** A label selector from its text, as in `a=b,c in (d,e),!f`; empty text selects all. Throws 400. */
export function parseLabelSelector(text: string | null | undefined): LabelSelector {
  if (!text || text.trim() === "") return () => true;
  const requirements = splitRequirements(text).map((part) => parseRequirement(part, text));
  return (labels) => requirements.every((requirement) => meets(requirement, labels ?? {}));
}
