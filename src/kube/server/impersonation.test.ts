import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { KubeError } from "../status.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "./context.ts";
import { impersonated } from "./impersonation.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
/** Holds no role and no binding. */
const store = { get: () => undefined, list: () => [] } as unknown as Store;

function asked(headers: Record<string, string | string[]>, user = admin): User {
  const distinct = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, [value].flat()]));
  return impersonated({ headers, headersDistinct: distinct } as unknown as IncomingMessage, store, user);
}

describe("standing in for another", () => {
  it("is nobody else without being asked", () => expect(asked({})).toBe(admin));

  it("takes name, groups, uid and extra values", () => {
    const headers = { "impersonate-user": "jane", "impersonate-group": ["a", "b"], "impersonate-uid": "7" };
    expect(asked({ ...headers, "impersonate-extra-example.com%2fTeam": "blue" })).toEqual({
      name: "jane",
      groups: ["a", "b", "system:authenticated"],
      uid: "7",
      extra: { "example.com/team": ["blue"] },
    });
  });

  it("gives a service account its groups, and the anonymous theirs", () => {
    expect(asked({ "impersonate-user": "system:serviceaccount:shop:web" }).groups).toEqual([
      "system:serviceaccounts",
      "system:serviceaccounts:shop",
      "system:authenticated",
    ]);
    expect(asked({ "impersonate-user": "system:anonymous" }).groups).toEqual(["system:unauthenticated"]);
  });

  it.each(["impersonate-group", "impersonate-uid", "impersonate-extra-team"])("refuses %s without a user", (header) => {
    expect(() => asked({ [header]: "x" })).toThrow(KubeError);
  });

  it("is refused to who holds no such right", () => {
    const pat: User = { name: "pat", groups: [] };
    expect(() => asked({ "impersonate-user": "jane" }, pat)).toThrow('cannot impersonate resource "users"');
  });
});
