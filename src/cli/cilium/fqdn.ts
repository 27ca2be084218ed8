import { type DnsLookupModel, dnsLookupRows } from "../../policy/fqdn/dns-lookups.ts";
import { type FlagSpec, type GivenFlag, isSet, lastValue } from "../cobra/flags.ts";
import { getJson, sendJson } from "./agent-client.ts";
import { table } from "./endpoint.ts";

const PATTERN: FlagSpec = {
  name: "matchpattern",
  short: "p",
  kind: "string",
  help: "Only names that match the pattern of a toFQDNs rule",
};

export const FQDN_LIST_FLAGS: readonly FlagSpec[] = [
  { name: "endpoint", short: "e", kind: "uint", help: "Only what the endpoint with this ID learned" },
  PATTERN,
  { name: "source", short: "s", kind: "string", help: "Only entries of this source (lookup or connection)" },
];

export const FQDN_CLEAN_FLAGS: readonly FlagSpec[] = [
  { name: "force", short: "f", kind: "bool", help: "Do not ask" },
  PATTERN,
];

const CACHE = "/v1/fqdn/cache";

/** `cilium fqdn cache list`: what the agent answers. */
export function fqdnCache(flags: readonly GivenFlag[], signal: AbortSignal): Promise<readonly DnsLookupModel[]> {
  const endpoint = lastValue(flags, "endpoint");
  return getJson(`${CACHE}${endpoint === undefined ? "" : `/${endpoint}`}${query(flags, "source")}`, signal);
}

export function fqdnCacheText(lookups: readonly DnsLookupModel[]): string {
  return table(dnsLookupRows(lookups));
}

function query(flags: readonly GivenFlag[], ...more: readonly string[]): string {
  const params = new URLSearchParams();
  for (const name of ["matchpattern", ...more]) {
    const value = lastValue(flags, name);
    if (value !== undefined) params.set(name, value);
  }
  return params.size === 0 ? "" : `?${params}`;
}

/**
 * `cilium fqdn cache clean`. Connections to names that it forgets are dropped until the names are asked for again, so that
 * a person is asked first; `ask` returns the answer. Returns what to print.
 */
export async function cleanFqdnCache(
  flags: readonly GivenFlag[],
  signal: AbortSignal,
  ask: (question: string) => Promise<string>,
): Promise<string> {
  const question =
    "Cleaning the FQDN cache can cut off workloads that rely on FQDN policies for a while. Do you want to continue? [yes/no]: ";
  if (!isSet(flags, "force") && (await ask(question)).trim() !== "yes") return "Not cleaning the FQDN cache\n";
  await sendJson("DELETE", `${CACHE}${query(flags)}`, signal);
  return "FQDN proxy cache cleared\n";
}
