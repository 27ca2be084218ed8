import { expect, test } from "vitest";
import { type Allocations, Ipam, routerOf } from "./ipam.ts";

test("the first address is the router's, pods follow, and the network's own and broadcast are never given", () => {
  const saved: Allocations[] = [];
  const ipam = new Ipam("172.20.1.0/29", {}, (allocations) => saved.push(allocations));
  expect(ipam.gateway).toBe("172.20.1.1");
  expect(routerOf("10.0.0.5/24")).toBe("10.0.0.1");
  const given = [1, 2, 3, 4, 5].map((number) => ipam.allocate(`p${number}`).address);
  expect(given).toEqual(["172.20.1.2", "172.20.1.3", "172.20.1.4", "172.20.1.5", "172.20.1.6"]);
  expect(() => ipam.allocate("p6")).toThrow("no free address in 172.20.1.0/29");
  expect(Object.keys(saved.at(-1)!)).toHaveLength(5);
});

test("a released address rests until the others were used", () => {
  const ipam = new Ipam("172.20.1.0/29", {}, () => undefined);
  ipam.allocate("a");
  ipam.release("172.20.1.2");
  expect([1, 2, 3, 4].map((n) => ipam.allocate(`p${n}`).address)).not.toContain("172.20.1.2");
  expect(ipam.allocate("last").address).toBe("172.20.1.2");
});

test("after a restart held addresses stay held and those of nobody are freed", () => {
  const ipam = new Ipam("172.20.1.0/24", { "172.20.1.9": "default/a", "172.20.1.7": "default/lost" }, () => undefined);
  ipam.keepOnly(new Set(["172.20.1.9"]));
  expect([ipam.isHeld("172.20.1.9"), ipam.isHeld("172.20.1.7")]).toEqual([true, false]);
  expect(ipam.allocate("b").address).toBe("172.20.1.10");
});

test("an owner of one address keeps it, whoever else is forgotten", () => {
  const ipam = new Ipam("172.20.1.0/24", { "172.20.1.9": "health", "172.20.1.7": "default/lost" }, () => undefined);
  expect(ipam.allocateOnce("health").address).toBe("172.20.1.9");
  ipam.keepOnly(new Set(), "health");
  expect(ipam.allocations).toEqual({ "172.20.1.9": "health" });
  expect(ipam.allocateOnce("health").address).toBe("172.20.1.9");
});

test("in a cluster of both families the IPv6 address has the place of the IPv4 one", () => {
  const ipam = new Ipam("172.20.1.0/24", {}, () => undefined, "fd00:172:20:1::/64");
  const range = { gateway: "fd00:172:20:1::1", podCidr: "fd00:172:20:1::/64" };
  expect(ipam.allocate("a").ipv6).toEqual({ address: "fd00:172:20:1::2", ...range });
  expect(ipam.allocate("b")).toMatchObject({ address: "172.20.1.3", ipv6: { address: "fd00:172:20:1::3", ...range } });
  expect(ipam.address6Of("172.20.1.200")).toBe("fd00:172:20:1::c8");
  expect(new Ipam("172.20.1.0/24", {}, () => undefined).allocate("a")).not.toHaveProperty("ipv6");
});

test("only addresses of pods are in range", () => {
  const ipam = new Ipam("172.20.1.0/24", {}, () => undefined, "fd00:172:20:1::/64");
  const asked = ["172.20.1.1", "172.20.1.2", "172.20.1.254", "172.20.1.255", "172.20.2.2", "fd00:172:20:1::2", "x"];
  expect(asked.filter((address) => ipam.isInRange(address))).toEqual(["172.20.1.2", "172.20.1.254"]);
});
