/** How a common mistake of users is written: as one request to an API server. */
import { type Fields, isFields } from "../../src/kube/object.ts";
import type { ApiRequest } from "./api-exchange.ts";
import { MANIFESTS } from "./api-stories.ts";

/** Where all of it happens. */
export const MISTAKEN = "mistaken";

/** A mistake: what it is called, and what is asked. */
export interface Mistake {
  readonly title: string;
  readonly request: ApiRequest;
}

export const MERGE = { "Content-Type": "application/merge-patch+json" };
export const STRATEGIC = { "Content-Type": "application/strategic-merge-patch+json" };
export const JSON_PATCH = { "Content-Type": "application/json-patch+json" };
export const APPLY = { "Content-Type": "application/apply-patch+yaml" };
export const YAML = { "Content-Type": "application/yaml" };

/** The small valid object of a resource, and where its like are. */
export function manifestOf(resource: string): { readonly collection: string; readonly object: Fields } {
  const manifest = MANIFESTS.find((one) => one.resource === resource)!;
  const root = manifest.group === "" ? "/api/v1" : `/apis/${String(manifest.object.apiVersion)}`;
  return {
    collection: `${root}/namespaces/${MISTAKEN}/${resource}`,
    object: JSON.parse(JSON.stringify(manifest.object).replaceAll("NAMESPACE", MISTAKEN)) as Fields,
  };
}

/** The object with values in other places; undefined takes a field away. */
function changed(object: Fields, places: Readonly<Record<string, unknown>>): Fields {
  const copy = structuredClone(object);
  for (const [path, value] of Object.entries(places)) {
    const steps = path.split("/");
    const last = steps.pop()!;
    let at: Fields = copy;
    for (const step of steps) {
      if (!isFields(at[step]) && !Array.isArray(at[step])) at[step] = {};
      at = at[step] as Fields;
    }
    if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return copy;
}

type Places = Readonly<Record<string, unknown>>;

/** A mistake in a new object. */
export function made(title: string, resource: string, places: Places, query = ""): Mistake {
  const { collection, object } = manifestOf(resource);
  const body = changed(object, { "metadata/name": "new", ...places });
  // a dry run asks for no address and no port of a node, which may be what is wrong
  const path = `${collection}?${resource === "services" ? "" : "dryRun=All"}${query}`;
  return { title, request: { method: "POST", path, body } };
}

/** A mistake in a change of the object that is there. */
export function replaced(title: string, resource: string, places: Places): Mistake {
  const { collection, object } = manifestOf(resource);
  return { title, request: { method: "PUT", path: `${collection}/one`, body: changed(object, places) } };
}

/** A mistake in a patch of the object that is there. */
export function patched(
  title: string,
  resource: string,
  headers: Record<string, string>,
  body: unknown,
  query = "",
): Mistake {
  return { title, request: { method: "PATCH", path: `${manifestOf(resource).collection}/one${query}`, headers, body } };
}

/** A mistake in the request itself. */
export const asked = (title: string, method: string, path: string, body?: unknown): Mistake => ({
  title,
  request: { method, path, ...(body === undefined ? {} : { body }) },
});

/** A path of the namespace. */
export const within = (path: string): string => `/api/v1/namespaces/${MISTAKEN}/${path}`;

/** The objects that are there beforehand, one of each kind that mistakes change. */
export const BEFORE_MISTAKES: readonly ApiRequest[] = [
  { method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: MISTAKEN } } },
  { method: "POST", path: within("serviceaccounts"), body: { metadata: { name: "default" } } },
  ...[
    "configmaps",
    "serviceaccounts",
    "pods",
    "deployments",
    "statefulsets",
    "jobs",
    "services",
    "rolebindings",
    "widgets",
  ].map((resource) => {
    const { collection, object } = manifestOf(resource);
    return { method: "POST", path: `${collection}?fieldManager=owner`, body: object };
  }),
];
