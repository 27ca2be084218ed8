import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  craftEvent,
  ipv4Packet,
  ipv6Packet,
  tcpHeader,
  tcpPacket,
  udpHeader,
} from "../../../test/support/craft-event.ts";
import { starWarsContext } from "../../../test/support/flow-context.ts";
import { toFlow } from "../flow.ts";
import { ipv6Text } from "./address.ts";
import { decodeEvent } from "./event.ts";
import { decodePacket } from "./packet.ts";

describe("decodeEvent", () => {
  it("reads every field of the header", () => {
    const event = decodeEvent(
      craftEvent({
        type: 5,
        flags: 1 | 2 | 8,
        direction: 2,
        endpoint: 871,
        destinationEndpoint: 3845,
        sourceIdentity: 318,
        destinationIdentity: 0xfffffffe,
        ifindex: 12,
        ctStatus: 3,
        matchType: 6,
        verdict: -133,
        cookie: 7,
        revision: 9,
        place: (11 << 16) | 305,
        cpu: 3,
        monotonicNs: 2n ** 40n,
        originalAddress: "10.0.0.1",
      }),
    );
    expect(event).toMatchObject({
      type: 5,
      subtype: 0,
      isReply: true,
      replyKnown: true,
      ipv6: false,
      proxyLeg: true,
      direction: 2,
      endpoint: 871,
      destinationEndpoint: 3845,
      sourceIdentity: 318,
      destinationIdentity: 0xfffffffe,
      ifindex: 12,
      hash: 0xb6b3b6b3,
      originalLength: 54,
      ctStatus: 3,
      matchType: 6,
      verdict: -133,
      cookie: 7,
      revision: 9,
      sourceFile: "policy.h",
      sourceLine: 305,
      cpu: 3,
      monotonicNs: 2n ** 40n,
      originalAddress: "10.0.0.1",
    });
  });

  it("refuses what is too short or of no known type", () => {
    expect(decodeEvent(new Uint8Array(71).fill(1))).toBeUndefined();
    expect(decodeEvent(craftEvent({ type: 2 }))).toBeUndefined();
  });

  it("gives a truncated packet as far as it goes", () => {
    const bytes = craftEvent({ type: 1, subtype: 133 }).subarray(0, 72 + 20);
    expect(decodeEvent(bytes)?.packet.length).toBe(20);
  });

  it("reads from the middle of a larger buffer", () => {
    const event = craftEvent({ type: 1, subtype: 133, endpoint: 5 });
    const framed = new Uint8Array(event.length + 7);
    framed.set(event, 7);
    expect(decodeEvent(framed.subarray(7))?.endpoint).toBe(5);
  });
});

describe("decodePacket", () => {
  it("reads TCP with its flags in printing order", () => {
    const packet = decodePacket(tcpPacket({ flags: 0xff }));
    expect(packet.tcp?.flags).toEqual(["SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR"]);
    expect(packet).toMatchObject({
      lastLayer: "TCP",
      ip: { source: "172.20.2.10", destination: "172.20.1.20" },
    });
    expect(packet.ethernet).toMatchObject({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" });
  });

  it("reads UDP, SCTP, ICMP and ARP", () => {
    expect(decodePacket(ipv4Packet(17, udpHeader())).udp).toMatchObject({ sourcePort: 43966, destinationPort: 53 });
    expect(decodePacket(ipv4Packet(132, [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9])).sctp).toMatchObject({ sourcePort: 258 });
    expect(decodePacket(ipv4Packet(1, [8, 0, 0, 0, 0, 1, 0, 2])).icmpv4).toMatchObject({ type: 8, code: 0 });
    const arp = new Uint8Array([...new Array(12).fill(2), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...new Array(6).fill(3)]);
    const whole = new Uint8Array([...arp, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    expect(decodePacket(whole).arp).toMatchObject({
      senderAddress: "10.0.0.1",
      targetAddress: "10.0.0.2",
    });
  });

  it("skips IPv6 extension headers", () => {
    const address = [0xfd, 0, ...new Array(13).fill(0), 1];
    const hopByHop = [6, 0, 0, 0, 0, 0, 0, 0];
    const packet = decodePacket(ipv6Packet(0, [...hopByHop, ...tcpHeader()], address, address));
    expect(packet).toMatchObject({ lastLayer: "TCP", ip: { version: 6, protocol: 6, source: "fd00::1" } });
  });

  it("reads no ports out of a later fragment", () => {
    const bytes = tcpPacket();
    bytes[21] = 1;
    expect(decodePacket(bytes)).toMatchObject({ lastLayer: "IPv4", ip: { fragmentOffset: 8 } });
    expect(decodePacket(bytes).tcp).toBeUndefined();
  });

  it("writes IPv6 addresses in the shortest form", () => {
    const text = (...words: number[]) => ipv6Text(new Uint8Array(words.flatMap((word) => [word >> 8, word & 255])), 0);
    expect(text(0, 0, 0, 0, 0, 0, 0, 0)).toBe("::");
    expect(text(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)).toBe("2001:db8::1:0:0:1");
    expect(text(1, 0, 2, 3, 4, 5, 6, 7)).toBe("1:0:2:3:4:5:6:7");
    expect(text(0, 1, 2, 3, 4, 5, 0, 0)).toBe("0:1:2:3:4:5::");
  });
});

describe("any bytes", () => {
  const check = (bytes: Uint8Array) => {
    decodePacket(bytes);
    const event = decodeEvent(bytes);
    if (event) toFlow(event, starWarsContext);
  };

  it("never make the decoder throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 260 }), check), { numRuns: 3000 });
  });

  it("never make it throw when they start like an event or are cut out of a real one", () => {
    const real = craftEvent({ type: 4, packet: ipv4Packet(6, tcpHeader()) });
    fc.assert(
      fc.property(fc.constantFrom(1, 4, 5), fc.uint8Array({ minLength: 72, maxLength: 260 }), (type, bytes) => {
        bytes[0] = type;
        check(bytes);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.nat(real.length - 1), fc.nat(real.length - 1), fc.nat(255), (cut, at, value) => {
        const bytes = real.slice(0, cut + 1);
        bytes[at] = value;
        check(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});
