import { describe, expect, it } from "vitest";
import { parseAddress } from "../model/cidr.ts";
import { type UdpPath, udpPacket } from "./udp-packet.ts";

const bytes = (text: string) => parseAddress(text)!.subarray(text.includes(":") ? 0 : 12);
const packetOf = (path: UdpPath, payload: Uint8Array) => udpPacket(path, payload)!;
const hex = (packet: Uint8Array) => Buffer.from(packet).toString("hex");

describe("udpPacket", () => {
  // Checksums by hand: pseudo header and datagram in 16-bit words, summed with end-around carry, complemented.
  it("writes IPv4 as a raw socket takes it", () => {
    const path = {
      source: bytes("10.0.0.53"),
      sourcePort: 53,
      destination: bytes("172.20.1.9"),
      destinationPort: 40000,
    };
    const packet = packetOf(path, Uint8Array.of(0xab, 0xcd, 0xef));
    expect(hex(packet.subarray(0, 20))).toBe("4500001f0000400040110000" + "0a000035" + "ac140109");
    expect(hex(packet.subarray(20))).toBe("00359c40000b" + "1142" + "abcdef");
  });
  it("writes IPv6", () => {
    const path = { source: bytes("fd00::35"), sourcePort: 53, destination: bytes("fd00::9"), destinationPort: 1 };
    const packet = packetOf(path, Uint8Array.of(1, 2));
    expect(hex(packet.subarray(0, 8))).toBe("60000000000a1140");
    expect(hex(packet.subarray(40))).toBe("00350001000a" + "0463" + "0102");
  });
  it("writes nothing of the packet before", () => {
    const v6 = { source: bytes("fd00::35"), sourcePort: 53, destination: bytes("fd00::9"), destinationPort: 1 };
    const v4 = { source: bytes("10.0.0.53"), sourcePort: 53, destination: bytes("172.20.1.9"), destinationPort: 40000 };
    const alone = [v4, v6].map((path) => hex(packetOf(path, Uint8Array.of(1))));
    packetOf(v6, new Uint8Array(100).fill(0xff));
    expect([v4, v6].map((path) => hex(packetOf(path, Uint8Array.of(1))))).toEqual(alone);
    expect(alone[0]).toMatch(/^4500001d00004000/);
  });
  it("never writes a checksum of zero, which would mean none", () => {
    const path = { source: bytes("0.0.0.0"), sourcePort: 0, destination: bytes("0.0.0.0"), destinationPort: 0 };
    // 17 + 10 + 10 + payload = 0xffff
    const packet = packetOf(path, Uint8Array.of(0xff, 0xff - 37));
    expect(hex(packet.subarray(26, 28))).toBe("ffff");
  });
  it("writes the longest datagram of each family, and none that is longer", () => {
    const v4 = { source: bytes("10.0.0.1"), sourcePort: 1, destination: bytes("10.0.0.2"), destinationPort: 2 };
    expect(udpPacket(v4, new Uint8Array(65_507))).toHaveLength(65_535);
    expect(udpPacket(v4, new Uint8Array(65_508))).toBeUndefined();
    const v6 = { ...v4, source: bytes("fd00::1"), destination: bytes("fd00::2") };
    expect(udpPacket(v6, new Uint8Array(65_527))).toHaveLength(65_575);
    expect(udpPacket(v6, new Uint8Array(65_528))).toBeUndefined();
  });
});
