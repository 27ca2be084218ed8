/** A request for a resource, taken from its path. */
export interface ResourceRequest {
  readonly group: string;
  readonly version: string;
  /** "" for all namespaces and for cluster-wide resources. */
  readonly namespace: string;
  readonly resource: string;
  /** "" for the collection. */
  readonly name: string;
  readonly subresource: string;
}

/** Splits `/api/v1/…` and `/apis/<group>/<version>/…`; undefined for any other path and for bare group versions. */
export function parseResourcePath(path: string): ResourceRequest | undefined {
  const segments = path.split("/").filter((segment) => segment !== "");
  const rest = segments[0] === "api" ? ["", ...segments.slice(1)] : segments[0] === "apis" ? segments.slice(1) : [];
  const [group, version, ...names] = rest;
  if (group === undefined || version === undefined || names.length === 0) return undefined;
  const decoded = decodeAll(names);
  if (!decoded) return undefined;
  const inNamespace = decoded[0] === "namespaces" && decoded.length >= 3 && !isNamespaceSubresource(group, decoded);
  const [resource = "", name = "", subresource = "", ...more] = inNamespace ? decoded.slice(2) : decoded;
  if (more.length > 0) return undefined;
  return { group, version, namespace: inNamespace ? decoded[1]! : "", resource, name, subresource };
}

function isNamespaceSubresource(group: string, names: readonly string[]): boolean {
  return group === "" && names.length === 3 && (names[2] === "status" || names[2] === "finalize");
}

function decodeAll(segments: readonly string[]): string[] | undefined {
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The verb that authorization and discovery know the request by. */
export function verbOf(method: string, request: ResourceRequest, query: URLSearchParams): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isTrue(query.get("watch")) && request.subresource === "") return "watch";
      return request.name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return request.name === "" ? "deletecollection" : "delete";
    default:
      return method.toLowerCase();
  }
}

/** How a query says yes, as Kubernetes reads it: by anything but `false` and `0`. */
export function isTrue(value: string | null | undefined): boolean {
  return value !== null && value !== undefined && !/^(false|0)$/i.test(value);
}
