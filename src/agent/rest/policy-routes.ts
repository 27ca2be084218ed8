import { type Cidr, cidrContains, parseCidr } from "../../model/cidr.ts";
import type { DnsLookupModel } from "../../policy/fqdn/dns-lookups.ts";
import type { SelectorReport } from "../../policy/selector-report.ts";
import type {
  FqdnNamesModel,
  IdentityEndpoints,
  IdentityModel,
  IpListEntry,
  PolicyModel,
  ServiceModel,
} from "../api-models.ts";
import { type FqdnNames, namePatternProblem } from "../fqdn-names.ts";
import type { SelectorSide } from "../ports.ts";
import { type Answer, type ApiCall, ApiError, labelsBody, notACall } from "./request.ts";

export interface PolicyCalls {
  policy(): PolicyModel;
  selectors(of: SelectorSide): readonly SelectorReport[];
  identities(): readonly IdentityModel[];
  identityEndpoints(): readonly IdentityEndpoints[];
  addresses(): readonly IpListEntry[];
  services(): readonly ServiceModel[];
  readonly names: FqdnNames;
  fqdnSelectors(): FqdnNamesModel;
}

function hasAll({ labels }: IdentityModel, wanted: readonly string[]): boolean {
  const bare = (label: string) => label.slice(label.indexOf(":") + 1);
  return wanted.every((label) => labels.some((own) => own === label || bare(own) === label));
}

/** `/identity[/endpoints|/ID]`; labels in the body select. */
async function identity(calls: PolicyCalls, call: ApiCall): Promise<Answer> {
  const [id] = call.rest;
  if (id === "endpoints") return [200, calls.identityEndpoints()];
  if (id !== undefined) {
    if (!/^\d+$/.test(id)) throw new ApiError(400, `invalid identity "${id}": it is a number`);
    const found = calls.identities().find((one) => one.id === Number(id));
    if (found === undefined) throw new ApiError(404, `no identity ${id} is known on this node`);
    return [200, found];
  }
  const wanted = await labelsBody(call);
  const found = calls.identities().filter((one) => hasAll(one, wanted));
  if (found.length === 0) throw new ApiError(404, `no identity has the labels ${wanted.join(" ")}`);
  return [200, found];
}

function isWithin(outer: Cidr, text: string): boolean {
  const inner = parseCidr(text);
  return (
    inner !== undefined && inner.family === outer.family && inner.length >= outer.length && cidrContains(outer, inner)
  );
}

/** `/ip`, with `cidr` in the query and labels in the body. */
async function address(calls: PolicyCalls, call: ApiCall): Promise<Answer> {
  const text = call.params.get("cidr");
  const cidr = text === null ? undefined : parseCidr(text);
  if (text !== null && cidr === undefined) throw new ApiError(400, `cidr must be like 172.20.0.0/16, not ${text}`);
  const wanted = await labelsBody(call);
  const selected = wanted.length === 0 ? undefined : calls.identities().filter((one) => hasAll(one, wanted));
  const numbers = selected && new Set(selected.map(({ id }) => id));
  const found = calls
    .addresses()
    .filter((entry) => cidr === undefined || isWithin(cidr, entry.cidr))
    .filter(({ identity }) => numbers === undefined || numbers.has(identity));
  if (found.length === 0) throw new ApiError(404, "the ipcache has no such address");
  return [200, found];
}

function lookups(
  { names }: PolicyCalls,
  call: ApiCall,
  pattern: string,
  id: string | undefined,
): readonly DnsLookupModel[] {
  const source = call.params.get("source") ?? "";
  if (source !== "" && source !== "lookup" && source !== "connection")
    throw new ApiError(400, `source must be lookup or connection, not ${source}`);
  if (id !== undefined && !/^\d+$/.test(id)) throw new ApiError(400, `invalid endpoint id "${id}": it is a number`);
  return names.list({ pattern, ...(source && { source }), ...(id !== undefined && { endpointId: Number(id) }) });
}

/** `/fqdn/cache[/ENDPOINT]`, with `matchpattern` and `source`, and `/fqdn/names`. */
function fqdn(calls: PolicyCalls, call: ApiCall): Answer {
  const [part, id] = call.rest;
  if (part === "names" && call.method === "GET") return [200, calls.fqdnSelectors()];
  if (part !== "cache") throw new ApiError(404, `no such path: /v1/fqdn/${part}`);
  const pattern = call.params.get("matchpattern") ?? "*";
  const problem = namePatternProblem(pattern);
  if (problem !== undefined) throw new ApiError(400, `matchpattern ${problem}`);
  if (call.method === "DELETE") return [200, { forgotten: calls.names.clean(pattern) }];
  if (call.method !== "GET") throw notACall(call, "fqdn/cache");
  if (call.params.has("cidr")) throw new ApiError(400, "names cannot be selected by cidr here; use matchpattern");
  return [200, lookups(calls, call, pattern, id)];
}

/** `/policy`, `/identity`, `/ip`, `/service` and `/fqdn`; undefined = the path is none of them. */
export async function policyRoutes(calls: PolicyCalls, subject: string, call: ApiCall): Promise<Answer | undefined> {
  if (subject === "fqdn") return fqdn(calls, call);
  const path = [subject, ...call.rest].join("/");
  const answers: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    policy: () => [200, calls.policy()],
    "policy/selectors": () => [200, calls.selectors("peers")],
    "policy/subject-selectors": () => [200, calls.selectors("subjects")],
    ip: () => address(calls, call),
    service: () => [200, calls.services()],
  };
  const answer = answers[path] ?? (subject === "identity" ? () => identity(calls, call) : undefined);
  if (answer === undefined) return undefined;
  if (call.method !== "GET") throw notACall(call, path);
  return answer();
}
