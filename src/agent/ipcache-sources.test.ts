import { expect, test } from "vitest";
import { IpcacheSources, OWN_CLAIM } from "./ipcache-sources.ts";

const NODE = "192.168.10.101";
const REMOTE = "192.168.10.102";
const claim = (identity: number, createdAt: string, nodeAddress = REMOTE) => ({
  addresses: ["172.20.2.5"],
  identity,
  nodeAddress,
  createdAt,
});

test("the youngest CiliumEndpoint has the address, and an older one gets it back when that goes", () => {
  const sources = new IpcacheSources(NODE);
  sources.claim("default/new", claim(300, "2026-01-02T00:00:00Z"));
  sources.claim("default/old", claim(200, "2026-01-01T00:00:00Z"));
  expect(sources.entryOf("172.20.2.5/32")).toEqual({ identity: 300, tunnel: REMOTE });
  sources.claim("default/new", undefined);
  expect(sources.entryOf("172.20.2.5/32")).toEqual({ identity: 200, tunnel: REMOTE });
});

test("this node's own endpoint is believed before any CiliumEndpoint", () => {
  const sources = new IpcacheSources(NODE);
  sources.claim(`${OWN_CLAIM}7`, claim(400, "", NODE));
  sources.claim("default/stale", claim(200, "2030-01-01T00:00:00Z"));
  expect(sources.entryOf("172.20.2.5/32")).toEqual({ identity: 400 });
});

test("nodes come before pods, pods before CIDRs of policies, those before the base", () => {
  const sources = new IpcacheSources(NODE);
  const prefix = "172.20.2.5/32";
  sources.setFixed("base", prefix, { identity: 2 });
  sources.setFixed("cidr", prefix, { identity: 16_777_217 });
  expect(sources.entryOf(prefix)?.identity).toBe(16_777_217);
  sources.claim("default/pod", claim(300, ""));
  expect(sources.entryOf(prefix)?.identity).toBe(300);
  sources.setFixed("node", prefix, { identity: 6 });
  expect(sources.entryOf(prefix)?.identity).toBe(6);
  sources.setFixed("node", prefix, undefined);
  sources.claim("default/pod", undefined);
  sources.setFixed("cidr", prefix, undefined);
  expect(sources.entryOf(prefix)?.identity).toBe(2);
});

test("a pod that moves leaves its earlier address", () => {
  const sources = new IpcacheSources(NODE);
  sources.claim("default/pod", claim(300, ""));
  sources.takeDirty();
  sources.claim("default/pod", { ...claim(300, ""), addresses: ["172.20.2.6"] });
  expect([...sources.takeDirty()].sort()).toEqual(["172.20.2.5/32", "172.20.2.6/32"]);
  expect(sources.entryOf("172.20.2.5/32")).toBeUndefined();
});

test("a pod's addresses of both families go together, and each goes when the pod has it no more", () => {
  const sources = new IpcacheSources(NODE);
  sources.claim("default/pod", { ...claim(300, ""), addresses: ["172.20.2.5", "fd00::5"] });
  expect(sources.entryOf("fd00::5/128")).toEqual({ identity: 300, tunnel: REMOTE });
  sources.takeDirty();
  sources.claim("default/pod", { ...claim(300, ""), addresses: ["172.20.2.5"] });
  expect(sources.entryOf("fd00::5/128")).toBeUndefined();
  expect(sources.entryOf("172.20.2.5/32")).toEqual({ identity: 300, tunnel: REMOTE });
  expect([...sources.takeDirty()].sort()).toEqual(["172.20.2.5/32", "fd00::5/128"]);
});
