import { describe, expect, it } from "vitest";
import { udpPacket } from "./udp-packet.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("udpPacket", () => {
  // Checksums by hand: pseudo header and datagram in 16-bit words, summed with end-around carry, complemented.
  it("writes IPv4 as a raw socket takes it", () => {
    const path = {
      sourceAddress: "10.0.0.53",
      sourcePort: 53,
      destinationAddress: "172.20.1.9",
      destinationPort: 40000,
    };
    const packet = udpPacket(path, Uint8Array.of(0xab, 0xcd, 0xef));
    expect(hex(packet.subarray(0, 20))).toBe("4500001f0000400040110000" + "0a000035" + "ac140109");
    expect(hex(packet.subarray(20))).toBe("00359c40000b" + "1142" + "abcdef");
  });
  it("writes IPv6", () => {
    const path = { sourceAddress: "fd00::35", sourcePort: 53, destinationAddress: "fd00::9", destinationPort: 1 };
    const packet = udpPacket(path, Uint8Array.of(1, 2));
    expect(hex(packet.subarray(0, 8))).toBe("60000000000a1140");
    expect(hex(packet.subarray(40))).toBe("00350001000a" + "0463" + "0102");
  });
  it("never writes a checksum of zero, which would mean none", () => {
    const path = { sourceAddress: "0.0.0.0", sourcePort: 0, destinationAddress: "0.0.0.0", destinationPort: 0 };
    // 17 + 10 + 10 + payload = 0xffff
    const packet = udpPacket(path, Uint8Array.of(0xff, 0xff - 37));
    expect(hex(packet.subarray(26, 28))).toBe("ffff");
  });
  it("names what is no address and what is too long", () => {
    const path = { sourceAddress: "10.0.0.1", sourcePort: 1, destinationAddress: "nobody", destinationPort: 2 };
    expect(() => udpPacket(path, new Uint8Array(1))).toThrow('"nobody" is no IP address');
    expect(() => udpPacket({ ...path, destinationAddress: "10.0.0.2" }, new Uint8Array(65_600))).toThrow(
      "does not fit",
    );
  });
});
