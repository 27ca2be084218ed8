import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_PORT, maskPort } from "../model/port.ts";
import { Protocol } from "../model/protocol.ts";
import { AuthType, BlockTable, blockKey, type ColumnEntry, mergeEntries, neededEntries, neededWithAuth } from "./column.ts";
import { isDenyPrecedence, precedenceOf } from "./precedence.ts";

const LEVELS = [0xffff_ff00, 0xffff_fe00];
const [HIGH, LOW] = LEVELS as [number, number];

const NAMES = ["a", "b"].map((name) => ({ kind: "CiliumNetworkPolicy", namespace: "default", name, path: "spec", labels: [] }));

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
