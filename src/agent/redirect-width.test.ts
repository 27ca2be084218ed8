import { expect, test } from "vitest";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";
import { isNoWider } from "./redirect-width.ts";

const GET = { method: "GET" };
const POST = { method: "POST" };
const redirect = (...rules: Partial<L7PeerRules>[]): L7Redirect => ({
  key: "ingress:TCP:80",
  direction: "ingress",
  protocol: 6,
  port: 80,
  parser: "http",
  rules: rules.map((rule) => ({ deny: false, precedence: 0, origin: 0, ...rule })),
});
const everybody = () => true;

test("rules that only grow keep the port", () => {
  const now = redirect({ identities: [300], http: [GET] });
  expect(isNoWider(now, redirect({ identities: [300, 301], http: [GET] }), everybody)).toBe(true);
  expect(isNoWider(now, redirect({ identities: [300], http: [GET, POST] }), everybody)).toBe(true);
  expect(isNoWider(now, redirect({ http: [GET] }), everybody)).toBe(true);
  expect(isNoWider(now, redirect({ identities: [300] }), everybody)).toBe(true);
});

test("whatever takes something away is not safe", () => {
  expect(isNoWider(redirect({ http: [GET, POST] }), redirect({ http: [GET] }), everybody)).toBe(false);
  expect(isNoWider(redirect({ http: [GET] }), redirect({ identities: [300], http: [GET] }), everybody)).toBe(false);
  expect(isNoWider(redirect({}), redirect({ http: [GET] }), everybody)).toBe(false);
  const denying = redirect({ identities: [300], deny: true }, { http: [GET] });
  expect(isNoWider(redirect({ http: [GET] }), denying, everybody)).toBe(false);
  expect(isNoWider(denying, redirect({ http: [GET] }), everybody)).toBe(true);
});

test("an identity that is gone may leave a peer set", () => {
  const now = redirect({ identities: [300, 301], http: [GET] });
  const wanted = redirect({ identities: [300], http: [GET] });
  expect(isNoWider(now, wanted, everybody)).toBe(false);
  expect(isNoWider(now, wanted, (identity) => identity !== 301)).toBe(true);
});

test("order counts: an allow before a deny is not the deny before the allow, and a pass is no word", () => {
  const allow = { identities: [300], http: [GET] };
  const deny = { identities: [300], deny: true };
  expect(isNoWider(redirect(allow, deny), redirect(deny, allow), everybody)).toBe(false);
  expect(isNoWider(redirect(deny, allow), redirect(allow, deny), everybody)).toBe(true);
  expect(isNoWider(redirect(allow, deny), redirect({ http: [GET, POST] }, deny), everybody)).toBe(true);
  const pass = { identities: [300], passTo: 2 };
  expect(isNoWider(redirect(pass, deny, allow), redirect(pass, deny, allow), everybody)).toBe(true);
  expect(
    isNoWider(redirect(pass, deny, allow), redirect({ identities: [300, 301], passTo: 2 }, deny, allow), everybody),
  ).toBe(false);
  expect(isNoWider(redirect(pass, deny, allow), redirect(deny, allow), everybody)).toBe(false);
  expect(isNoWider(redirect(deny, allow), redirect(pass, deny, allow), everybody)).toBe(false);
});

test("rules that act on headers are safe only where they stay the same", () => {
  const add = { method: "GET", headerMatches: [{ name: "x", value: "1", mismatch: "ADD" as const }] };
  expect(isNoWider(redirect({ http: [add] }), redirect({ http: [add] }), everybody)).toBe(true);
  expect(isNoWider(redirect({ http: [add] }), redirect({ http: [add, POST] }), everybody)).toBe(false);
  expect(isNoWider(redirect({ http: [GET] }), redirect({ http: [GET, add] }), everybody)).toBe(false);
  expect(isNoWider(redirect({ http: [add] }), redirect({}), everybody)).toBe(false);
  const match = { method: "GET", headerMatches: [{ name: "x", value: "1" }] };
  expect(isNoWider(redirect({ http: [GET] }), redirect({ http: [match] }), everybody)).toBe(false);
});

test("names of servers are a condition like the others, and not the same as requests", () => {
  const one = { serverNames: ["one"] };
  const both = { serverNames: ["two", "one"] };
  expect(isNoWider(redirect(one), redirect(both), everybody)).toBe(true);
  expect(isNoWider(redirect(one), redirect({}), everybody)).toBe(true);
  expect(isNoWider(redirect(both), redirect(one), everybody)).toBe(false);
  expect(isNoWider(redirect({}), redirect(one), everybody)).toBe(false);
  expect(isNoWider(redirect(one), redirect({ serverNames: ["*"] }), everybody)).toBe(false);
  expect(isNoWider(redirect(one), redirect({ http: [GET] }), everybody)).toBe(false);
  expect(isNoWider(redirect({ http: [GET] }), redirect(one), everybody)).toBe(false);
  expect(isNoWider(redirect({ ...one, http: [GET] }), redirect({ http: [GET] }), everybody)).toBe(true);
});

test("DNS rules are compared as those of HTTP are", () => {
  const dns = (...rules: Partial<L7PeerRules>[]): L7Redirect => ({ ...redirect(...rules), parser: "dns" });
  const only = { dns: [{ matchName: "a.example" }] };
  expect(isNoWider(dns(only), dns({ dns: [{ matchName: "a.example" }, { matchPattern: "*" }] }), everybody)).toBe(true);
  expect(isNoWider(dns({}), dns(only), everybody)).toBe(false);
  expect(isNoWider(dns({ dns: [{ matchPattern: "a.example" }] }), dns(only), everybody)).toBe(false);
});
