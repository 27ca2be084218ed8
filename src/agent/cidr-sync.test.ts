import { expect, test } from "vitest";
import type { Labels } from "../model/label.ts";
import { CidrIdentities } from "./cidr-identities.ts";
import { syncAddress, syncCidrs } from "./cidr-sync.ts";
import { IdentityTable } from "./identity-table.ts";
import { IpcacheSources } from "./ipcache-sources.ts";

const WORLD = { source: "reserved", key: "world", value: "" };
const api: Labels = [{ source: "fqdn", key: "api.example.com", value: "" }, WORLD];
const ten: Labels = [{ source: "cidr", key: "10.0.0.0/8", value: "" }, WORLD];

function newParts() {
  const identities = new IdentityTable({ upsertIdentity: () => undefined, removeIdentity: () => undefined });
  return { numbers: new CidrIdentities(new Map()), identities, sources: new IpcacheSources("192.168.10.1") };
}

test("an address whose identity was expected changes nothing but the ipcache", () => {
  const parts = newParts();
  expect(syncCidrs(parts, new Map(), new Map([["api", api]]))).toBe(true);
  parts.sources.takeDirty();
  expect(syncAddress(parts, "192.0.2.1/32", api)).toBe(false);
  const entry = parts.sources.entryOf("192.0.2.1/32");
  expect(parts.identities.labelsOf(entry!.identity)).toEqual(api);
  expect([...parts.sources.takeDirty()]).toEqual(["192.0.2.1/32"]);
  expect(parts.sources.entryOf("api")).toBeUndefined();
});

test("one prefix at a time gives what all at once give", () => {
  const parts = newParts();
  expect(
    syncCidrs(
      parts,
      new Map([
        ["10.0.0.0/8", ten],
        ["192.0.2.1/32", api],
      ]),
    ),
  ).toBe(true);
  const entries = ["10.0.0.0/8", "192.0.2.1/32"].map((prefix) => parts.sources.entryOf(prefix));
  const single = newParts();
  expect(syncAddress(single, "10.0.0.0/8", ten)).toBe(true);
  expect(syncAddress(single, "192.0.2.1/32", api)).toBe(true);
  expect(["10.0.0.0/8", "192.0.2.1/32"].map((prefix) => single.sources.entryOf(prefix))).toEqual(entries);
});

test("what nothing tells apart any more loses its entry, and its identity with the last that had it", () => {
  const parts = newParts();
  syncCidrs(
    parts,
    new Map([
      ["192.0.2.1/32", api],
      ["192.0.2.2/32", api],
    ]),
  );
  const { identity } = parts.sources.entryOf("192.0.2.1/32")!;
  expect(syncAddress(parts, "192.0.2.1/32", undefined)).toBe(false);
  expect(parts.sources.entryOf("192.0.2.1/32")).toBeUndefined();
  expect(parts.identities.retire(() => false)).toBe(false);
  expect(syncCidrs(parts, new Map())).toBe(true);
  expect(parts.identities.retire(() => false)).toBe(true);
  expect(parts.identities.has(identity)).toBe(false);
});

test("a prefix with other labels has another identity, and the old one goes when nothing refers to it", () => {
  const parts = newParts();
  syncCidrs(parts, new Map([["10.0.0.0/8", ten]]));
  const old = parts.sources.entryOf("10.0.0.0/8")!.identity;
  expect(syncAddress(parts, "10.0.0.0/8", [...ten, ...api.slice(0, 1)])).toBe(true);
  expect(parts.sources.entryOf("10.0.0.0/8")!.identity).not.toBe(old);
  expect(parts.identities.labelsOf(old)).toEqual(ten);
  expect(parts.identities.retire((id) => id === old)).toBe(false);
  expect(parts.identities.retire(() => false)).toBe(true);
});
