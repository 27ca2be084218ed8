import { formatCidr } from "../model/cidr.ts";
import { Field, noFindings } from "./field.ts";
import { readCidr } from "./parse-cidr.ts";
import { type PolicyKind, readHeader } from "./parse-header.ts";
import type { CidrGroup, FieldError, FieldWarning } from "./rule.ts";

export type CidrGroupResult =
  | { readonly ok: true; readonly group: CidrGroup; readonly warnings: readonly FieldWarning[] }
  | { readonly ok: false; readonly errors: readonly FieldError[]; readonly warnings: readonly FieldWarning[] };

const CIDR_GROUP_KIND: PolicyKind = {
  kind: "CiliumCIDRGroup",
  apiVersions: ["cilium.io/v2", "cilium.io/v2alpha1"],
  isClusterwide: true,
  fields: ["spec", "status"],
};

/** Labels that begin so are Cilium's own and never make part of a group. */
const OWNED_PREFIX = "io.cilium";

/** Reads a CiliumCIDRGroup. Never throws. Cilium leaves out a prefix that it cannot read; here the object is refused. */
export function parseCidrGroup(object: unknown): CidrGroupResult {
  const findings = noFindings();
  const { errors, warnings } = findings;
  const root = new Field("", findings);
  const header = readHeader(object, root, [CIDR_GROUP_KIND]);
  if (header === undefined) return { ok: false, errors, warnings };
  const cidrs = readCidrs((object as Record<string, unknown>)["spec"], root.child("spec"));
  const labels = Object.fromEntries([...header.labels].filter(([key]) => !key.startsWith(OWNED_PREFIX)));
  if (errors.length > 0) return { ok: false, errors, warnings };
  return { ok: true, group: { name: header.key.name, labels, cidrs }, warnings };
}

function readCidrs(spec: unknown, at: Field): readonly string[] {
  const found = new Set<string>();
  if ((spec ?? null) === null) {
    at.refuse("is required", "write `spec` with externalCIDRs");
    return [];
  }
  at.object(
    spec,
    {
      externalCIDRs: (content, list) => {
        for (const cidr of list.list(content, (each, item) => readCidr(each, item, false)) ?? [])
          found.add(formatCidr(cidr));
        if (Array.isArray(content) && content.length === 0)
          list.warn("no prefixes: the group selects nothing", "matches-nothing");
      },
    },
    { required: ["externalCIDRs"] },
  );
  return [...found];
}
