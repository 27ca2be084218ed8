import { describe, expect, it } from "vitest";
import { CLIENT, from, OTHER, on, policyOf, query, server } from "../../test/support/server-policy.ts";
import { MatchType } from "../model/verdict.ts";
import { AuthType } from "./column.ts";
import { lookup, verdictBounds } from "./lookup.ts";

const ingress = (...elements: readonly object[]) => ({ ...server, ingress: elements });
const required = { authentication: { mode: "required" } };

describe("where a verdict may change", () => {
  const policy = policyOf([ingress({ ...from("client"), ...on(80, {}, 95) }, on(65_530, {}, 65_535))]);
  const bounds = (direction: "ingress" | "egress", identity: number) =>
    Object.fromEntries(verdictBounds(policy, { direction, identity }));

  it("is where an entry of the peer or of every peer begins or ends, and nowhere else", () => {
    expect(bounds("ingress", CLIENT)).toEqual({ 6: [0, 80, 96, 65_530, 65_532] });
    expect(bounds("ingress", OTHER)).toEqual({ 6: [0, 65_530, 65_532] });
    expect(bounds("egress", CLIENT)).toEqual({});
  });

  it("is told after the lookup and before it alike, and of protocols that are there alone", () => {
    const both = policyOf([
      ingress(on(80, {}), { toPorts: [{ ports: [{ port: "53", protocol: "UDP" }] }] }, from("client")),
    ]);
    const asked = () => Object.fromEntries(verdictBounds(both, { direction: "ingress", identity: CLIENT }));
    const first = asked();
    expect(first).toEqual({ 6: [0, 80, 81], 17: [0, 53, 54] });
    expect(lookup(both, { ...query(CLIENT, 0), protocol: 0 }).matchType).toBe(MatchType.L3Only);
    expect(asked()).toEqual(first);
  });
});

describe("of two entries of equal rank", () => {
  const judged = (...elements: readonly object[]) => lookup(policyOf([ingress(...elements)]), query(CLIENT, 80));

  it("the longer key counts, and the peer's own where they are equally long", () => {
    const own = { ...from("client"), ...required };
    expect(judged(on(80, {}), own).matchType).toBe(MatchType.L4Only);
    expect(judged(on(80, {}), { ...own, ...on(80, {}) }).matchType).toBe(MatchType.L3L4);
    expect(judged(on(80, {}, 95), { ...own, ...on(80, {}) }).matchType).toBe(MatchType.L3L4);
  });

  it("one that asks for no authentication takes over what the other asks", () => {
    const own = { ...from("client"), ...required };
    expect(judged(on(80, {}), own).authType).toBe(AuthType.Spire);
  });
});
