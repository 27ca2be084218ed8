import { expect, test } from "vitest";
import { ciliumNodeOf, nodeAddressesOf, nodeEntries } from "./node-addresses.ts";

const node = (name: string, last: number) =>
  ciliumNodeOf(
    name,
    { internal: `192.168.10.${last}`, router: `172.20.${last}.1`, health: `172.20.${last}.2` },
    [`172.20.${last}.0/24`],
    undefined,
  );

test("a remote node's pods lie behind its tunnel before any of them is known; this node's do not", () => {
  const entries = nodeEntries([node("here", 1), node("there", 2)], "here", new Set());
  expect(entries.get("172.20.2.0/24")).toEqual({ identity: 3, tunnel: "192.168.10.2" });
  expect(entries.has("172.20.1.0/24")).toBe(false);
});

test("this node is the host, others are remote, and who runs the API server is known as that", () => {
  const entries = nodeEntries([node("here", 1), node("there", 2), node("api", 3)], "here", new Set(["192.168.10.3"]));
  expect(entries.get("192.168.10.1/32")).toEqual({ identity: 1 });
  expect(entries.get("192.168.10.2/32")).toEqual({ identity: 6 });
  expect(entries.get("192.168.10.3/32")).toEqual({ identity: 7 });
  expect(entries.get("172.20.2.1/32")).toEqual({ identity: 6, tunnel: "192.168.10.2" });
});

test("another node's health endpoint lies behind its tunnel; this node's own is told by the endpoint itself", () => {
  const entries = nodeEntries([node("here", 1), node("there", 2)], "here", new Set());
  expect(entries.get("172.20.2.2/32")).toEqual({ identity: 4, tunnel: "192.168.10.2" });
  expect(entries.has("172.20.1.2/32")).toBe(false);
});

test("a node of both families: its IPv6 addresses and its pods' range lie behind its IPv4 address", () => {
  const addresses = {
    internal: "192.168.10.2",
    router: "172.20.2.1",
    health: "172.20.2.2",
    ipv6: { internal: "fd00:192:168:10::2", router: "fd00:172:20:2::1", health: "fd00:172:20:2::2" },
  };
  const object = ciliumNodeOf("there", addresses, ["172.20.2.0/24", "fd00:172:20:2::/64"], undefined);
  expect(nodeAddressesOf(object)).toEqual(addresses);
  const entries = nodeEntries([object], "here", new Set());
  const tunnel = "192.168.10.2";
  expect(entries.get("fd00:192:168:10::2/128")).toEqual({ identity: 6, tunnel });
  expect(entries.get("fd00:172:20:2::1/128")).toEqual({ identity: 6, tunnel });
  expect(entries.get("fd00:172:20:2::2/128")).toEqual({ identity: 4, tunnel });
  expect(entries.get("fd00:172:20:2::/64")).toEqual({ identity: 3, tunnel });
  expect(entries.get("192.168.10.2/32")).toEqual({ identity: 6 });
});
