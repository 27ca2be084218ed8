import { expect, it } from "vitest";
import { CLIENT, from, OTHER, on, policyOf, query, server, tierRule } from "../../test/support/server-policy.ts";
import { lookup } from "./lookup.ts";

const ingress = (...elements: readonly object[]) => ({ ...server, ingress: elements });
const get = { http: [{ method: "GET" }] };

it("sends each port behind a pass to the redirect of its own piece", () => {
  const specs = [
    tierRule("Admin", 1, "Pass", 85),
    ingress(on(80, get, 95), { ...from("client"), ...on(85, { http: [{ method: "PUT" }] }, 86) }),
  ];
  const policy = policyOf(specs);
  const redirects = (identity: number) =>
    [79, 80, 84, 85, 86, 87, 95, 96].map((port) => lookup(policy, query(identity, port)).entry?.redirect);
  for (const identity of [CLIENT, OTHER]) {
    expect(redirects(identity)).toEqual([
      undefined,
      "ingress:TCP:80-84",
      "ingress:TCP:80-84",
      "ingress:TCP:85",
      "ingress:TCP:86",
      "ingress:TCP:87-95",
      "ingress:TCP:87-95",
      undefined,
    ]);
  }
});

it("has a peer's own entries only where they say something else", () => {
  const entriesOf = (...specs: readonly object[]) =>
    policyOf(specs)
      .entries.filter(({ identity, direction }) => identity === CLIENT && direction === "ingress")
      .map(({ port, deny }) => [port, deny]);
  const pass = tierRule("Admin", 1, "Pass", 85, "other");
  expect(entriesOf(pass, ingress(on(80)))).toEqual([]);
  expect(entriesOf(pass, ingress(on(80), { ...from("client"), ...on(80) }))).toEqual([]);
  expect(entriesOf(pass, ingress(on(80), { ...from("client"), ...on(81) }))).toEqual([[81, false]]);
  // The redirect of everybody ranks before the peer's own wider allow.
  expect(entriesOf(pass, ingress(on(85, get), { ...from("client"), ...on(80, undefined, 95) }))).toEqual([[80, false]]);
  const deny = { ...server, ingressDeny: [{ ...from("client"), ...on(80) }] };
  expect(entriesOf(pass, ingress(on(80)), deny)).toEqual([[80, true]]);
});

it("refuses passes that meet more port ranges than can be compared", () => {
  const ranges = Array.from({ length: 3000 }, (_, index) => on(1 + index, undefined, 40_000 + index));
  const specs = (count: number) => [tierRule("Admin", 1, "Pass", 85), ingress(...ranges.slice(0, count))];
  expect(lookup(policyOf(specs(200)), query(CLIENT, 300)).verdict).toBe("allow");
  expect(() => policyOf(specs(3000))).toThrow(/pass traffic on/);
});
