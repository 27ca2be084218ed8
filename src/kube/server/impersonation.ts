import type { IncomingMessage } from "node:http";
import { badRequest } from "../status.ts";
import type { Store } from "../storage/store.ts";
import { authorizeResource } from "./authorization.ts";
import type { User } from "./context.ts";

const EXTRA = "impersonate-extra-";
const AUTHENTICATION = "authentication.k8s.io";

function decoded(key: string): string {
  try {
    return decodeURIComponent(key).toLowerCase();
  } catch {
    return key;
  }
}

/** What `Impersonate-Extra-KEY` headers say, by key. */
function extraOf(request: IncomingMessage): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, values = []] of Object.entries(request.headersDistinct)) {
    if (header.startsWith(EXTRA)) extra[decoded(header.slice(EXTRA.length))] = values;
  }
  return extra;
}

/** The groups of a user for whom somebody stands in. */
function groupsOf(name: string, given: readonly string[]): string[] {
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name);
  const own = account && given.length === 0 ? ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`] : [];
  const proof = name === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  return [...new Set([...given, ...own, proof])];
}

/**
 * Who the request is to be judged as: `kubectl --as`, `--as-group`, `--as-uid`. Throws 400 for what is given without a
 * user, 403 for users who may not take another's place.
 */
export function impersonated(request: IncomingMessage, store: Store, user: User): User {
  const name = request.headers["impersonate-user"];
  const uid = request.headers["impersonate-uid"];
  const given = request.headersDistinct["impersonate-group"] ?? [];
  const extra = extraOf(request);
  const isExtraAsked = Object.keys(extra).length > 0;
  if (name === undefined) {
    if (given.length === 0 && uid === undefined && !isExtraAsked) return user;
    throw badRequest("requested groups, a uid or extra values without impersonating a user");
  }
  const take = (resource: string, of: string, group = "", where: { namespace?: string; subresource?: string } = {}) =>
    authorizeResource(store, user, "impersonate", {
      ...{ group, version: "v1", resource, subresource: "", namespace: "", name: of },
      ...where,
    });
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(String(name));
  if (account) take("serviceaccounts", account[2]!, "", { namespace: account[1]! });
  else take("users", String(name));
  for (const group of given) take("groups", group);
  if (uid !== undefined) take("uids", String(uid), AUTHENTICATION);
  for (const [subresource, values] of Object.entries(extra)) {
    for (const value of values) take("userextras", value, AUTHENTICATION, { subresource });
  }
  return {
    name: String(name),
    groups: groupsOf(String(name), given),
    ...(uid === undefined ? {} : { uid: String(uid) }),
    ...(isExtraAsked ? { extra } : {}),
  };
}
