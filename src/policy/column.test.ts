import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_PORT, maskPort } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import {
  AuthType,
  BlockTable,
  blockKey,
  type ColumnEntry,
  mergeEntries,
  neededEntries,
  neededWithAuth,
} from "./column.ts";
import { precedenceOf } from "./precedence.ts";

const LEVELS = [0xffff_ff00, 0xffff_fe00];
const [HIGH, LOW] = LEVELS as [number, number];

const NAMES = ["a", "b"].map((name) => ({
  kind: "CiliumNetworkPolicy",
  namespace: "default",
  name,
  path: "spec",
  labels: [],
}));

function entry(facts: Partial<ColumnEntry>): ColumnEntry {
  const { origins = [] } = facts;
  const base = { protocol: Protocol.Tcp, port: 80, prefix: 16, authType: 0, hasOwnAuth: false, redirect: undefined };
  return { ...base, precedence: precedenceOf(HIGH, "allow", undefined), log: "", ...facts, origins };
}

const allow = (facts: Partial<ColumnEntry> = {}, level = HIGH) =>
  entry({ ...facts, precedence: precedenceOf(level, "allow", undefined) });
const deny = (facts: Partial<ColumnEntry> = {}, level = HIGH) =>
  entry({ ...facts, precedence: precedenceOf(level, "deny", undefined) });
const redirect = (to: string, priority: number, facts: Partial<ColumnEntry> = {}, level = HIGH) =>
  entry({ ...facts, redirect: to, precedence: precedenceOf(level, "allow", priority) });

const table = (...entries: readonly ColumnEntry[]) =>
  new BlockTable(new Map(entries.map((each) => [blockKey(each.protocol, each.port, each.prefix), each])));

const WIDE = { port: 0, prefix: 0 };
const EVERYTHING = { protocol: Protocol.Any, port: 0, prefix: 0 };

describe("two entries for one block", () => {
  it.each<[string, ColumnEntry, ColumnEntry]>([
    ["an allow of an earlier level wins over a deny", allow(), deny({}, LOW)],
    ["a deny of an earlier level wins over an allow", deny(), allow({}, LOW)],
    ["a deny wins over an allow and a redirect of its level", deny(), redirect("r", 1)],
    ["the earlier of two denies wins", deny(), deny({ authType: 1, hasOwnAuth: true, log: "x" }, LOW)],
  ])("%s", (_what, winner, loser) => {
    expect(mergeEntries(winner, loser)).toEqual(winner);
    expect(mergeEntries(loser, winner)).toEqual(winner);
  });

  it("add up on one level: the redirect that ranks first, one log, the origins of both", () => {
    const [one, two] = [
      redirect("b", 3, { origins: [NAMES[0]!] }),
      redirect("a", 5, { origins: [NAMES[1]!], log: "x" }),
    ];
    const merged = { ...one, log: "x" };
    expect(mergeEntries(one, two)).toEqual({ ...merged, origins: NAMES });
    expect(mergeEntries(two, one)).toEqual({ ...merged, origins: [...NAMES].reverse() });
    expect(mergeEntries({ ...one, log: "y" }, two).log).toBe("y");
  });

  it("choose between equal redirects by their names", () => {
    expect(mergeEntries(redirect("a", 5), redirect("b", 5)).redirect).toBe("a");
    expect(mergeEntries(redirect("b", 5), redirect("a", 5)).redirect).toBe("a");
  });

  it("keep what the earlier level says, but the authentication that either asks for", () => {
    const asks = allow({ authType: AuthType.Spire, hasOwnAuth: true, log: "x", origins: [NAMES[0]!] }, LOW);
    const first = redirect("r", 1, { origins: [NAMES[1]!] });
    const merged = { ...first, authType: AuthType.Spire, hasOwnAuth: true };
    expect(mergeEntries(first, asks)).toEqual(merged);
    expect(mergeEntries(asks, first)).toEqual(merged);
  });

  it.each([
    [AuthType.Disabled, true, AuthType.Spire, false, AuthType.Disabled],
    [AuthType.Spire, true, AuthType.AlwaysFail, true, AuthType.AlwaysFail],
    [AuthType.Spire, false, AuthType.AlwaysFail, false, AuthType.AlwaysFail],
  ])("ask for the stronger authentication, a word of one's own first: %i %s, %i %s", (a, ownA, b, ownB, want) => {
    const [one, two] = [allow({ authType: a, hasOwnAuth: ownA }), allow({ authType: b, hasOwnAuth: ownB }, LOW)];
    expect(mergeEntries(one, two).authType).toBe(want);
    expect(mergeEntries(two, one).authType).toBe(want);
  });
});

describe("wider blocks", () => {
  const [narrow, middle, all, any] = [allow(), allow({ port: 80, prefix: 12 }), allow(WIDE), allow(EVERYTHING)];
  const blocks = table(
    all,
    narrow,
    any,
    middle,
    allow({ protocol: Protocol.Udp, ...WIDE }),
    allow({ port: 96, prefix: 12 }),
  );

  it("are found, the narrowest first", () => {
    expect([...blocks.wider(Protocol.Tcp, 80, 16)]).toEqual([middle, all, any]);
    expect([...blocks.wider(Protocol.Tcp, 80, 12)]).toEqual([all, any]);
    expect([...blocks.wider(Protocol.Tcp, 0, 0)]).toEqual([any]);
    expect([...blocks.wider(Protocol.Any, 0, 0)]).toEqual([]);
  });

  it("cover, as does the block itself", () => {
    const seen = (protocol: number, port: number, prefix: number) => {
      const found: ColumnEntry[] = [];
      expect(blocks.someCovering(protocol, port, prefix, (each) => found.push(each) < 0)).toBe(false);
      return found;
    };
    expect(seen(Protocol.Tcp, 80, 16)).toEqual([all, middle, narrow, any]);
    expect(seen(Protocol.Tcp, 80, 12)).toEqual([all, middle, any]);
    expect(seen(Protocol.Any, 0, 0)).toEqual([any]);
    expect(blocks.someCovering(Protocol.Tcp, 80, 16, (each) => each === any)).toBe(true);
    expect(table(narrow).someCovering(Protocol.Any, 0, 0, () => true)).toBe(false);
  });
});

describe("needed entries", () => {
  const wide = (facts: Partial<ColumnEntry> = {}, level = HIGH) => allow({ ...WIDE, ...facts }, level);

  it.each<[string, readonly ColumnEntry[], readonly number[]]>([
    ["an allow stays beside a wider one of its rank", [allow(), wide()], [1, 0]],
    ["what ranks below a wider one goes", [allow({}, LOW), wide()], [1]],
    ["what ranks above a wider one stays", [allow(), wide({}, LOW)], [1, 0]],
    ["a deny goes under a wider one of its rank", [deny(), deny(WIDE)], [1]],
    ["a deny stays under a wider allow of its level", [deny(), wide()], [1, 0]],
    ["a deny goes under an allow of an earlier level", [deny({}, LOW), wide()], [1]],
    ["every protocol covers each", [deny(), deny({ ...WIDE, protocol: Protocol.Udp }), deny(EVERYTHING)], [2]],
    ["another port covers nothing", [deny(), deny({ port: 81 }), deny({ port: 0, prefix: 10 })], [2, 0, 1]],
    [
      "they come by protocol, length and port",
      [
        allow({ port: 9 }),
        allow({ port: 8 }),
        allow({ protocol: 17, port: 7 }),
        wide(),
        allow({ port: 8, prefix: 13 }),
      ],
      [3, 4, 1, 0, 2],
    ],
  ])("%s", (_what, entries, want) => {
    const expected = want.map((index) => entries[index]!);
    expect(neededEntries(table(...entries))).toEqual(expected);
    expect(neededWithAuth(table(...entries))).toEqual(expected);
  });

  it.each<[string, ColumnEntry, ColumnEntry, boolean]>([
    ["the same", allow(), allow(), false],
    ["another redirect", redirect("a", 1), redirect("b", 1), true],
    ["another authentication", allow(), allow({ authType: 1 }), true],
    ["authentication by its own word", allow({ hasOwnAuth: true }), allow(), true],
    ["another log", allow(), allow({ log: "x" }), true],
    ["a higher rank", allow(), allow({}, LOW), true],
    ["a wider block", allow(), wide(), true],
    ["a deny of equal rank over all", deny(), deny(EVERYTHING), false],
  ])("leave out what every peer has: %s", (_what, own, everyPeer, stays) => {
    expect(neededEntries(table(own), table(everyPeer))).toEqual(stays ? [own] : []);
    expect(neededWithAuth(table(own), table(everyPeer))).toEqual(stays ? [own] : []);
  });

  it("leave out what ranks below an entry of every peer, unless authentication is spoken of", () => {
    expect(neededEntries(table(allow({}, LOW)), table(wide()))).toEqual([]);
    expect(neededWithAuth(table(allow({}, LOW)), table(wide()))).toEqual([allow({}, LOW)]);
    expect(neededWithAuth(table(deny({}, LOW)), table(wide()))).toEqual([]);
    expect(neededWithAuth(table(allow({}, LOW)), table(deny(WIDE)))).toEqual([]);
  });
});

describe("needed entries with authentication", () => {
  const spire = { authType: AuthType.Spire, hasOwnAuth: true };

  it("take over what the narrowest wider entry that speaks asks", () => {
    const middle = allow({ port: 80, prefix: 12 });
    const fails = allow({ ...WIDE, authType: AuthType.AlwaysFail, hasOwnAuth: true });
    const asks = allow({ ...EVERYTHING, ...spire });
    const kept = neededWithAuth(table(allow(), middle, fails, asks));
    expect(kept).toEqual([asks, fails, { ...middle, authType: 2 }, { ...allow(), authType: 2 }]);
  });

  it("keep their own word, even that none is needed", () => {
    const none = allow({ hasOwnAuth: true });
    expect(neededWithAuth(table(none, allow({ ...WIDE, ...spire })))[1]).toBe(none);
  });

  it("stay under a wider redirect of an earlier level when they ask, and are redirected", () => {
    const wide = redirect("r", 1, WIDE);
    expect(neededWithAuth(table(allow(spire, LOW), wide))).toEqual([
      wide,
      { ...allow(spire), redirect: "r", precedence: wide.precedence },
    ]);
    expect(neededWithAuth(table(allow({}, LOW), wide))).toEqual([wide]);
  });

  it("go under a wider deny that is not of a later level", () => {
    expect(neededWithAuth(table(allow(spire), deny(WIDE)))).toEqual([deny(WIDE)]);
    expect(neededWithAuth(table(allow(spire), deny(WIDE, LOW)))).toEqual([deny(WIDE, LOW), allow(spire)]);
  });

  it("are compared with every peer's after they took over", () => {
    const wide = allow({ ...WIDE, ...spire });
    expect(neededWithAuth(table(allow(), wide), table(allow({ authType: AuthType.Spire })))).toEqual([wide]);
    expect(neededWithAuth(table(allow(), wide), table(allow()))).toHaveLength(2);
  });
});

describe("a lookup among the needed entries", () => {
  const precedence = fc
    .tuple(fc.constantFrom(...LEVELS), fc.constantFrom("deny" as const, "allow" as const))
    .map(([level, verdict]) => precedenceOf(level, verdict, undefined));
  const block = fc.oneof(
    fc.constant(EVERYTHING),
    fc
      .record({
        protocol: fc.constantFrom(Protocol.Tcp, Protocol.Udp),
        port: fc.integer({ min: 80, max: 83 }),
        prefix: fc.constantFrom(0, 14, 15, 16),
      })
      .map((each) => ({ ...each, port: maskPort(each.port, each.prefix) })),
  );
  const blocks = fc.array(fc.tuple(block, precedence).map(([where, rank]) => entry({ ...where, precedence: rank })));

  const covers = ({ protocol, port, prefix }: ColumnEntry, of: number, at: number) =>
    protocol === Protocol.Any || (protocol === of && maskPort(at, prefix) === port);
  const longest = (entries: readonly ColumnEntry[], of: number, at: number) => {
    const length = (each: ColumnEntry) => (each.protocol === Protocol.Any ? -1 : each.prefix);
    return entries.filter((each) => covers(each, of, at)).sort((a, b) => length(b) - length(a))[0]?.precedence ?? -1;
  };

  it("finds the highest rank of all that cover the port", () => {
    fc.assert(
      fc.property(blocks, blocks, (mine, everyPeers) => {
        const [own, any] = [table(...mine), table(...everyPeers)];
        const [ownNeeded, anyNeeded] = [neededEntries(own, any), neededEntries(any)];
        const all = [...own.blocks.values(), ...any.blocks.values()];
        for (const protocol of [Protocol.Tcp, Protocol.Udp, Protocol.Sctp]) {
          for (const port of [79, 80, 81, 82, 83, 84, MAX_PORT]) {
            const ranks = all.filter((each) => covers(each, protocol, port)).map((each) => each.precedence);
            const found = Math.max(longest(ownNeeded, protocol, port), longest(anyNeeded, protocol, port));
            expect(found).toBe(Math.max(-1, ...ranks));
          }
        }
      }),
    );
  });
});
