import { jsonText } from "../../wire/go-json.ts";
import { untyped } from "./output/value.ts";

/**
 * The calls of Cilium's API that its command makes: method, path, name, and the statuses that it has words for; `+` = the answer
 * is part of the message.
 */
const OPERATIONS = `
DELETE /endpoint/{id} DeleteEndpointID 206:Errors+ 400:Invalid+ 403:Forbidden 404:NotFound 429:TooManyRequests 503:ServiceUnavailable
DELETE /fqdn/cache DeleteFqdnCache 400:BadRequest+ 403:Forbidden
DELETE /prefilter DeletePrefilter 403:Forbidden 461:InvalidCIdR+ 500:Failure+
GET /bgp/peers GetBgpPeers 500:InternalServerError+ 501:Disabled+
GET /bgp/route-policies GetBgpRoutePolicies 500:InternalServerError+ 501:Disabled+
GET /bgp/routes GetBgpRoutes 500:InternalServerError+ 501:Disabled+
GET /cgroup-dump-metadata GetCgroupDumpMetadata 500:Failure+
GET /cluster/nodes GetClusterNodes
GET /config GetConfig
GET /debuginfo GetDebuginfo 500:Failure+
GET /endpoint GetEndpoint 404:NotFound 429:TooManyRequests
GET /endpoint/{id} GetEndpointID 400:Invalid+ 404:NotFound 429:TooManyRequests
GET /endpoint/{id}/config GetEndpointIDConfig 404:NotFound 429:TooManyRequests
GET /endpoint/{id}/healthz GetEndpointIDHealthz 400:Invalid 404:NotFound 429:TooManyRequests
GET /endpoint/{id}/labels GetEndpointIDLabels 404:NotFound 429:TooManyRequests
GET /endpoint/{id}/log GetEndpointIDLog 400:Invalid 404:NotFound 429:TooManyRequests
GET /fqdn/cache GetFqdnCache 400:BadRequest+ 404:NotFound
GET /fqdn/cache/{id} GetFqdnCacheID 400:BadRequest+ 404:NotFound
GET /fqdn/names GetFqdnNames 400:BadRequest+
GET /healthz GetHealthz
GET /identity GetIdentity 404:NotFound 520:Unreachable+ 521:InvalidStorageFormat+
GET /identity/endpoints GetIdentityEndpoints 404:NotFound
GET /identity/{id} GetIdentityID 400:BadRequest 404:NotFound 520:Unreachable+ 521:InvalidStorageFormat+
GET /ip GetIP 400:BadRequest+ 404:NotFound
GET /lrp GetLrp
GET /map GetMap
GET /map/{name} GetMapName 404:NotFound
GET /map/{name}/events GetMapNameEvents 404:NotFound
GET /metrics GetMetrics
GET /node/ids GetNodeIds
GET /policy GetPolicy 404:NotFound
GET /policy/selectors GetPolicySelectors
GET /policy/subject-selectors GetPolicySubjectSelectors
GET /prefilter GetPrefilter 500:Failure+
GET /service GetService
PATCH /config PatchConfig 400:BadRequest+ 403:Forbidden 500:Failure+
PATCH /endpoint/{id}/config PatchEndpointIDConfig 400:Invalid 403:Forbidden 404:NotFound 429:TooManyRequests 500:Failed+ 503:ServiceUnavailable
PATCH /endpoint/{id}/labels PatchEndpointIDLabels 403:Forbidden 404:NotFound 429:TooManyRequests 500:UpdateFailed+ 503:ServiceUnavailable
PATCH /prefilter PatchPrefilter 403:Forbidden 461:InvalidCIdR+ 500:Failure+
`;

interface Operation {
  readonly name: string;
  readonly words: ReadonlyMap<number, string>;
}

function parse(line: string): readonly [call: string, operation: Operation] {
  const [method = "", path = "", name = "", ...statuses] = line.split(" ");
  const words = statuses.map((text): [number, string] => [Number(text.slice(0, 3)), text.slice(4)]);
  return [`${method} ${path}`, { name, words: new Map(words) }];
}

const operations = new Map(OPERATIONS.trim().split("\n").map(parse));

/** `GetEndpointID` as its errors begin: `getEndpointId`. */
function errorName(name: string): string {
  return name
    .replace(/^[A-Z]/, (first) => first.toLowerCase())
    .replace(/(ID|IP)(?=[A-Z]|$)/g, (word) => `${word[0]}${word[1]!.toLowerCase()}`);
}

/** An error is a text in JSON, which the client writes again in its own way. */
function quoted(body: string): string {
  try {
    return jsonText(untyped(JSON.parse(body)), "");
  } catch {
    return body;
  }
}

/** What upstream's command says when a call (`GET /endpoint/{id}`) fails with a status; `body` is the answer. */
export function operationError(call: string, status: number, body: string): string {
  const operation = operations.get(call);
  if (operation === undefined) return `[${call}][${status}] ${body}`;
  const word = operation.words.get(status);
  if (word === undefined) return `[${call}] ${operation.name} (status ${status}): {}`;
  const text = `[${call}][${status}] ${errorName(operation.name)}${word.replace("+", "")}`;
  return word.endsWith("+") ? `${text} ${quoted(body)}` : text;
}
