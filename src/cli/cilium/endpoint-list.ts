import type { EndpointModel } from "../../agent/api-models.ts";
import { tabbed } from "./command.ts";

type Modes = readonly [ingress: string, egress: string];

const UNKNOWN = "Unknown";
const AUDIT = "Disabled (Audit)";

/** The word for each of `policy-enabled`. */
const MODES: Readonly<Record<string, Modes>> = {
  none: ["Disabled", "Disabled"],
  both: ["Enabled", "Enabled"],
  ingress: ["Enabled", "Disabled"],
  egress: ["Disabled", "Enabled"],
  "audit-both": [AUDIT, AUDIT],
  "audit-ingress": [AUDIT, "Disabled"],
  "audit-egress": ["Disabled", AUDIT],
};

/** An answer may lack any part. */
type Partly<T> = T extends readonly (infer Item)[]
  ? readonly Item[] | null | undefined
  : T extends object
    ? { readonly [K in keyof T]?: Partly<T[K]> } | null
    : T | null;
export type AnyEndpoint = Partly<EndpointModel> & object;

function addresses({ status }: AnyEndpoint): readonly [ipv6: string, ipv4: string] {
  if (!status?.networking) return [UNKNOWN, UNKNOWN];
  const [first] = status.networking.addressing ?? [];
  if (first === undefined) return ["No address", "No address"];
  return [first?.ipv6 ?? "", first?.ipv4 ?? ""];
}

function rowsOf(endpoint: AnyEndpoint): readonly string[] {
  const { id = 0, status } = endpoint;
  const [ingress, egress] = MODES[status?.policy?.realized?.["policy-enabled"] ?? ""] ?? [UNKNOWN, UNKNOWN];
  const labels = [...(status?.labels?.["security-relevant"] ?? [])].sort();
  const [first = "no labels", ...others] = labels;
  const identity = status?.identity ? String(status.identity.id ?? 0) : "<no label id>";
  const cells = [String(id), ingress, egress, identity, first, ...addresses(endpoint), status?.state ?? UNKNOWN];
  return [`${cells.join("\t")}\t\n`, ...others.map((label) => `\t\t\t\t${label}\t\t\t\t\n`)];
}

const TITLES = [
  "ENDPOINT",
  "POLICY (ingress)",
  "POLICY (egress)",
  "IDENTITY",
  "LABELS (source:key[=value])",
  "IPv6",
  "IPv4",
  "STATUS",
];

/** `endpoint list`: one endpoint a row, its further labels below, sorted by id. */
export function endpointTable(endpoints: readonly AnyEndpoint[], hasTitles = true): string {
  const titles = hasTitles ? [`${TITLES.join("\t")}\t\n`, "\tENFORCEMENT\tENFORCEMENT\t\t\t\t\t\n"] : [];
  const sorted = endpoints.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
  return tabbed([...titles, ...sorted.flatMap(rowsOf)]);
}
