import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressPort,
  addressPrefix,
  canonicalAddress,
  cidrContains,
  formatCidr,
  parseAddress,
  parseCidr,
} from "./cidr.ts";
import { cidrKey, cidrLabels, cidrOfKey } from "./cidr-label.ts";
import { formatLabels } from "./label.ts";

describe("parseCidr", () => {
  it.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8::1/33", "2001:db8::/33"],
    ["::", "::/128"],
    ["::1.2.3.4/128", "::102:304/128"],
    ["1:0:0:2:0:0:0:3/128", "1:0:0:2::3/128"],
  ])("reads %s as %s", (text, want) => {
    expect(formatCidr(parseCidr(text)!)).toBe(want);
  });

  it.each([
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "010.0.0.1",
    "10.0.0.0/08",
    "256.1.1.1",
    "1::2::3",
    "::ffff:1.2.3.4",
    "fe80::1%eth0",
    "1:2:3:4:5:6:7:8:9",
    "::/129",
    "10.0.0.0/-1",
  ])("refuses %j", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, length) => {
        const most = address.includes(":") ? 128 : 32;
        const cidr = parseCidr(`${address}/${Math.min(length, most)}`);
        if (cidr === undefined) return; // IPv4 in IPv6
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
        expect(cidrOfKey(cidrKey(cidr))).toEqual(cidr);
      }),
    );
  });
});

describe("cidrContains", () => {
  it.each([
    ["10.0.0.0/8", "10.255.0.1/32", true],
    ["10.0.0.0/8", "10.0.0.0/8", true],
    ["10.0.0.0/9", "10.128.0.0/9", false],
    ["10.0.0.0/8", "0.0.0.0/0", false],
    ["::/0", "10.0.0.0/8", false],
    ["0.0.0.0/0", "::1/128", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
  ])("%s contains %s: %s", (outer, inner, want) => {
    expect(cidrContains(parseCidr(outer)!, parseCidr(inner)!)).toBe(want);
  });
});

describe("cidrLabels", () => {
  it("writes IPv6 without colons, and pads the ends", () => {
    expect(formatLabels(cidrLabels(parseCidr("::1/128")!))).toEqual(["cidr:0--1/128", "reserved:world"]);
    expect(formatLabels(cidrLabels(parseCidr("2001:db8::/32")!, true))).toEqual([
      "cidr:2001-db8--0/32",
      "reserved:world-ipv6",
    ]);
    expect(formatLabels(cidrLabels(parseCidr("0.0.0.0/0")!))).toEqual(["reserved:world"]);
  });
});

describe("parseAddress", () => {
  it.each([
    "1::2::3",
    "1:2:3:4:5:6:7:8::9::",
    "g::1",
    "1:2:3:4:5:6:7:8::",
    "1:2:3:4::5:6:7:8",
    "1:2:3:4:5::6:7:8:9",
    "1:2:3:4:5:6:7",
  ])("refuses %s", (text) => expect(parseAddress(text)).toBeUndefined());

  it("gives IPv4 its place in IPv6", () => {
    expect([...parseAddress("1.2.3.4")!]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]);
  });
});

it("an address as text: with a port, as a prefix, in one form", () => {
  expect([addressPort("10.0.0.1", 80), addressPort("fd00::1", 80)]).toEqual(["10.0.0.1:80", "[fd00::1]:80"]);
  expect([addressPrefix("10.0.0.1"), addressPrefix("fd00::1")]).toEqual(["10.0.0.1/32", "fd00::1/128"]);
  expect(["FD00:0::01", "10.0.0.1", "010.0.0.1", "::ffff:10.0.0.1", "x"].map(canonicalAddress)).toEqual([
    "fd00::1",
    "10.0.0.1",
    undefined,
    undefined,
    undefined,
  ]);
});
