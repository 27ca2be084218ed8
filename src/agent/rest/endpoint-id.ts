import type { EndpointModel } from "../api-models.ts";
import { ApiError } from "./request.ts";

/** What each kind of name says of an endpoint. */
const NAMES: Readonly<Record<string, (endpoint: EndpointModel) => readonly (string | undefined)[]>> = {
  "cilium-local": ({ id }) => [String(id)],
  "cni-attachment-id": ({ status }) => [status["external-identifiers"]["cni-attachment-id"]],
  "container-id": ({ status }) => [status["external-identifiers"]["container-id"]],
  "cep-name": ({ status }) => [status["external-identifiers"]["pod-name"]],
  "pod-name": ({ status }) => [status["external-identifiers"]["pod-name"]],
  ipv4: ({ status }) => status.networking.addressing.map(({ ipv4 }) => ipv4),
  ipv6: ({ status }) => status.networking.addressing.map(({ ipv6 }) => ipv6),
};

/** Highest endpoint id. */
const LAST_ID = 65_535;

/**
 * The endpoint of a number or of `KIND:NAME`, the kinds as in Cilium. Throws ApiError 400 for what is no such name and 404
 * when there is none of it.
 */
export function findEndpoint(endpoints: readonly EndpointModel[], wanted: string): EndpointModel {
  const at = wanted.indexOf(":");
  const [kind, name] = at < 0 ? ["cilium-local", wanted] : [wanted.slice(0, at), wanted.slice(at + 1)];
  const namesOf = NAMES[kind];
  if (namesOf === undefined)
    throw new ApiError(400, `unknown kind of endpoint name "${kind}": it is one of ${Object.keys(NAMES).join(", ")}`);
  if (kind === "cilium-local" && !(/^\d+$/.test(name) && Number(name) <= LAST_ID))
    throw new ApiError(400, `invalid endpoint id "${name}": it is a number up to ${LAST_ID}`);
  const found = endpoints.find((endpoint) =>
    namesOf(endpoint).includes(kind === "cilium-local" ? String(Number(name)) : name),
  );
  if (found === undefined) throw new ApiError(404, `no endpoint ${wanted} on this node`);
  return found;
}
