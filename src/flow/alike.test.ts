import { equals, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { craftEvent, ipv4Packet, ipv6Packet, tcpHeader, tcpPacket, udpHeader } from "../../test/support/craft-event.ts";
import { starWarsContext } from "../../test/support/flow-context.ts";
import { AlikeFlows } from "./alike.ts";
import type { FlowContext } from "./context.ts";
import { decodeEvent } from "./decode/event.ts";
import { EncodedBytes } from "./encode.ts";
import { toFlow } from "./flow.ts";
import { encodeResponse } from "./response.ts";

const WORLD6 = [0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 1];
const POD6 = [0xfd, 0, ...new Array(13).fill(0), 7];

const port = fc.constantFrom(0, 1, 53, 80, 127, 128, 16_383, 16_384, 40_000, 40_001, 65_535);
/** Of a packet and its event: what all of a sample have, and what each has of its own. */
const segment = {
  source: fc.constantFrom("172.20.2.10", "172.20.1.20", "10.96.55.1", "104.198.14.52"),
  destination: fc.constantFrom("172.20.1.20", "172.20.2.11", "10.96.55.1"),
  sourcePort: port,
  destinationPort: port,
  flags: fc.constantFrom(0x02, 0x12, 0x10),
  form: fc.constantFrom("tcp", "tcp", "udp", "tcp6", "udp6", "sctp", "icmp", "fragment", "options", "cut"),
  other: fc.nat(255),
};
const header = {
  type: fc.constantFrom(1, 4, 5),
  subtype: fc.constantFrom(0, 1, 133),
  flags: fc.constantFrom(0, 2, 3, 16),
  direction: fc.constantFrom(0, 1, 2),
  endpoint: fc.constantFrom(0, 871),
  destinationEndpoint: fc.constantFrom(0, 871),
  sourceIdentity: fc.constantFrom(0, 10135),
  ifindex: fc.constantFrom(0, 12),
  ctStatus: fc.constantFrom(0, 2),
  matchType: fc.constantFrom(0, 2),
  verdict: fc.constantFrom(0, -133, 10_001),
  cookie: fc.constantFrom(0, 7),
  revision: fc.constantFrom(1, 300),
  monotonicNs: fc.bigInt({ min: 0n, max: 10n ** 18n }),
  originalAddress: fc.constantFrom("", "172.20.2.10"),
};
const sample = fc
  .tuple(
    fc.record({ ...segment, ...header }),
    fc.array(fc.record({ ...segment, ...header }, { requiredKeys: [] }), { maxLength: 4 }),
    fc.nat(30),
  )
  .map(([base, others, mask]) => [base, ...others.map((other) => ({ ...base, ...thinned(other, mask) }))].map(eventOf));

/** Few of the fields, so that most of what is alike stays so. */
type Values<T> = { [K in keyof T]: T[K] extends fc.Arbitrary<infer V> ? V : never };
type Fields = Values<typeof segment & typeof header>;

function thinned(fields: object, mask: number): object {
  return Object.fromEntries(Object.entries(fields).filter((_, at) => (at + mask) % 7 === 0));
}

function eventOf({ form, other, ...event }: Fields): Uint8Array {
  const segment = event;
  const bytes = {
    tcp: () => tcpPacket(segment),
    udp: () => ipv4Packet(17, udpHeader(segment), segment),
    tcp6: () => ipv6Packet(6, tcpHeader(segment), POD6, WORLD6),
    udp6: () => ipv6Packet(17, udpHeader(segment), WORLD6, POD6),
    sctp: () => ipv4Packet(132, [...udpHeader(segment), 0, 0, 0, 0, 1], segment),
    icmp: () => ipv4Packet(1, [8, 0, 0, 0, 0, 1, 0, 1], segment),
    fragment: () => tcpPacket(segment).fill(9, 21, 22),
    options: () => tcpPacket(segment).fill(0x46, 14, 15),
    cut: () => tcpPacket(segment).subarray(0, 14 + 20 + 10),
  }[form]!();
  // what is no part of a flow: the packet's number, its sequence numbers
  if (form === "tcp") bytes.fill(other, 18, 20).fill(other, 38, 46);
  return craftEvent({ ...event, packet: bytes });
}

function numbered(): FlowContext {
  let count = 0;
  const newUuid = () => String(count++).padStart(36, "0");
  return { ...starWarsContext, newUuid };
}

it("gives the flow and the bytes that the event by itself gives", () => {
  let alike = 0;
  const property = fc.property(sample, (events) => {
    const flows = new AlikeFlows(numbered());
    // each twice, so that there is one like it
    for (const bytes of [...events, ...events]) {
      const given = flows.of(bytes);
      if (given === undefined) continue;
      alike++;
      const wanted = toFlow(decodeEvent(bytes)!, { ...starWarsContext, newUuid: () => given.flow.uuid });
      const out = new EncodedBytes();
      given.encode(out);
      const whole = new EncodedBytes();
      encodeResponse(wanted, whole);
      expect(Buffer.from(out.bytes.subarray(0, out.at))).toEqual(Buffer.from(whole.bytes.subarray(0, whole.at)));
      expect(equals(FlowSchema, given.flow, wanted)).toBe(true);
      expect(toBinary(FlowSchema, given.flow)).toEqual(toBinary(FlowSchema, wanted));
      expect([given.seconds, given.nanos]).toEqual([Number(wanted.time!.seconds), wanted.time!.nanos]);
    }
  });
  fc.assert(property, { numRuns: 150 });
  expect(alike).toBeGreaterThan(100);
});

it("asks anew what the context says when the turn is another one", () => {
  let turn = 0;
  let podName = "xwing";
  const endpointByAddress: FlowContext["endpointByAddress"] = (address) => {
    const facts = starWarsContext.endpointByAddress(address);
    return facts && { ...facts, podName };
  };
  const flows = new AlikeFlows({ ...starWarsContext, endpointByAddress, turn: () => turn });
  const bytes = craftEvent({ type: 4, monotonicNs: 5n });
  const named = () => flows.of(bytes)?.flow.source?.podName;
  expect(named()).toBe("xwing");
  podName = "ywing";
  expect(named()).toBe("xwing");
  turn++;
  expect(named()).toBe("ywing");
});

/** What the context may come to say otherwise. */
const OTHERS: readonly Partial<FlowContext>[] = [
  { nodeLabels: () => ["zone=b"] },
  { endpointByAddress: () => undefined },
  { labelsOfIdentity: () => ["k8s:app=other"] },
  { identityByAddress: () => 319 },
  { serviceByFrontend: (_, port) => (port === 80 ? { name: "other", namespace: "default" } : undefined) },
  { dnsNames: () => ["other.example.com"] },
  { interfaceName: () => "lxcother" },
  { ruleOrigins: () => [{ kind: "CiliumNetworkPolicy", namespace: "default", name: "other", labels: [], path: "" }] },
];

it.each(OTHERS)("in a later turn a flow is made anew when an answer is another one, and else not: %o", (other) => {
  let turn = 0;
  let made = 0;
  const newUuid = () => String(made++).padStart(36, "0");
  const context = { ...starWarsContext, turn: () => turn, newUuid };
  const current: { context: FlowContext } = { context };
  const asking = Object.fromEntries(
    Object.entries(context).map(([name, value]) => [
      name,
      typeof value === "function"
        ? (...args: unknown[]) =>
            (current.context[name as keyof FlowContext] as (...args: unknown[]) => unknown)(...args)
        : value,
    ]),
  );
  const flows = new AlikeFlows(asking as unknown as FlowContext);
  const bytes = craftEvent({
    ...{ type: 5, direction: 1, endpoint: 871, destinationEndpoint: 871, ifindex: 12, cookie: 7, monotonicNs: 5n },
    packet: tcpPacket({ source: "104.198.14.52", destination: "172.20.1.20" }),
  });
  const flowNow = () => flows.of(bytes)!.flow;
  flowNow();
  expect(made).toBe(2); // the kind's and its own
  turn++;
  flowNow();
  expect(made).toBe(3);
  turn++;
  current.context = { ...context, ...other };
  const flow = flowNow();
  expect(made).toBe(5);
  expect(equals(FlowSchema, flow, toFlow(decodeEvent(bytes)!, { ...current.context, newUuid: () => flow.uuid }))).toBe(
    true,
  );
});

it("leaves a port that is a service's to the whole way", () => {
  const serviceByFrontend: FlowContext["serviceByFrontend"] = (_, port) =>
    port === 30_080 ? { name: "deathstar", namespace: "default" } : undefined;
  const flows = new AlikeFlows({ ...starWarsContext, serviceByFrontend });
  const of = (destinationPort: number) =>
    flows.of(craftEvent({ type: 4, monotonicNs: 5n, packet: tcpPacket({ sourcePort: 2000, destinationPort }) }));
  expect([30_081, 30_080, 30_082].map((port) => of(port) !== undefined)).toEqual([true, false, true]);
});

it("tells a connection's two directions apart where only the ports say which is which", () => {
  const flows = new AlikeFlows(starWarsContext);
  const ends = [
    [80, 40_000],
    [40_000, 80],
    [80, 40_001],
  ] as const;
  const ports = ends.map(([sourcePort, destinationPort]) => {
    const packet = tcpPacket({ sourcePort, destinationPort });
    const { value } = flows.of(craftEvent({ type: 4, monotonicNs: 5n, packet }))?.flow.l4?.protocol ?? {};
    return value && "sourcePort" in value ? [value.sourcePort, value.destinationPort] : value;
  });
  expect(ports).toEqual(ends);
});
