import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { GetFlowsRequestSchema, ServerStatusResponseSchema } from "../../proto/gen/observer_pb.js";
import type { RawResponse } from "./raw-flows.ts";
import { relayFlows } from "./relay-flows.ts";
import type { PeerPool, RelayPeer } from "./relay-peer.ts";

const flow = (seconds: number): RawResponse => ({ bytes: new Uint8Array([seconds]), seconds, nanos: 0, isFlow: true });

it("waits for a node that looks through its history for seconds, so that all is in order", async () => {
  let nowMs = 0;
  const slow = Promise.withResolvers<void>();
  const peer = (name: string, before: Promise<void>, response: RawResponse) =>
    ({
      name,
      status: async () => create(ServerStatusResponseSchema),
      async *flows() {
        await before;
        yield [response];
      },
    }) as unknown as RelayPeer;
  const peers = [peer("quick", Promise.resolve(), flow(2)), peer("slow", slow.promise, flow(1))];
  const pool = { list: () => peers, onChange: () => () => undefined } as unknown as PeerPool;
  const { signal } = new AbortController();
  const request = create(GetFlowsRequestSchema);
  const source = relayFlows({ pool, request, nodeName: "relay", now: () => nowMs, signal });
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(source.next()).toMatchObject({ isFlow: false });
  nowMs = 5000;
  expect(source.next()).toBe("wait");
  slow.resolve();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect([source.next(), source.next(), source.next()]).toEqual([flow(1), flow(2), "end"]);
});
