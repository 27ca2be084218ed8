import { describe, expect, it } from "vitest";
import type { PolicyMapEntry } from "../../policy/policy-map.ts";
import { describeDatapath } from "../contract.ts";
import { createSimDatapath } from "./datapath.ts";
import { decide, matchType } from "./lookup.ts";

describeDatapath("sim", async () => ({
  datapath: createSimDatapath(),
  addInterface: () => 7,
  close: () => {},
}));

const entry = (part: Partial<PolicyMapEntry>): PolicyMapEntry => ({
  direction: "ingress",
  identity: 0,
  protocol: 0,
  port: 0,
  portPrefix: 0,
  deny: false,
  precedence: 1,
  authType: 0,
  hasOwnAuth: false,
  origin: 0,
  ...part,
});
const query = { direction: "ingress", identity: 9, protocol: 6, port: 80 } as const;

describe("choosing among entries", () => {
  it("takes the higher precedence, then the longer prefix, then the peer's", () => {
    const any80 = entry({ protocol: 6, port: 80, portPrefix: 16 });
    const peer = entry({ identity: 9 });
    const peer80 = entry({ identity: 9, protocol: 6, port: 80, portPrefix: 16 });
    expect(decide([any80, peer], query)).toBe(any80);
    expect(decide([any80, { ...peer, precedence: 2 }], query)).toMatchObject({ identity: 9 });
    expect(decide([any80, peer80], query)).toBe(peer80);
    const asking = { ...any80, authType: 1, hasOwnAuth: true };
    expect(decide([asking, peer80], query)?.authType).toBe(1);
    expect(decide([asking, { ...peer80, hasOwnAuth: true }], query)?.authType).toBe(0);
    expect(decide([asking, { ...peer80, precedence: 2 }], query)?.authType).toBe(0);
  });
  it("covers port ranges by prefix and nothing beyond", () => {
    const range = entry({ protocol: 6, port: 80, portPrefix: 13 });
    expect(decide([range], { ...query, port: 87 })).toBe(range);
    expect(decide([range], { ...query, port: 88 })).toBeUndefined();
    expect(decide([range], { ...query, protocol: 17 })).toBeUndefined();
  });
  it("names the kind of match", () => {
    expect(matchType(undefined)).toBe(0);
    expect(matchType(entry({}))).toBe(4);
    expect(matchType(entry({ identity: 9, protocol: 6 }))).toBe(5);
    expect(matchType(entry({ protocol: 6, port: 80, portPrefix: 8 }))).toBe(3);
  });
});
