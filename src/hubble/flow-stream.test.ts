import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, it, vi } from "vitest";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { Observer } from "../../proto/gen/observer_pb.js";
import { FlowFollower } from "../../test/support/flow-follower.ts";
import { createFlowRing } from "../flow/index.ts";
import { createObserver } from "./observer.ts";

const COUNT = 12_000;
const summary = (number: number) => `${number} `.repeat(40 + (number % 60));

it("gives every reader each of many flows as it was, while writes wait for one another", async () => {
  const ring = createFlowRing(16_383);
  const observer = createObserver({ ring, nodeName: "n", version: "v0.1.0", now: Date.now });
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  try {
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${observer.port}` });
    const read = async () => {
      let next = 0;
      for await (const { responseTypes } of createClient(Observer, transport).getFlows({ first: true })) {
        if (responseTypes.case !== "flow") throw new Error(`got ${responseTypes.case}`);
        const { uuid, Summary } = responseTypes.value;
        if (uuid !== String(next) || Summary !== summary(next)) throw new Error(`${next} came as ${uuid}: ${Summary}`);
        next++;
      }
      return next;
    };
    for (let number = 0; number < COUNT; number++) {
      const flow = create(FlowSchema, { uuid: String(number), Summary: summary(number) });
      ring.append({ kind: "flow", flow });
    }
    expect(await Promise.all([read(), read(), read()])).toEqual([COUNT, COUNT, COUNT]);
  } finally {
    await observer.close();
  }
});

it("keeps up with a source that has a thousand flows a turn", async () => {
  const ring = createFlowRing(4095);
  const observer = createObserver({ ring, nodeName: "n", version: "v0.1.0", now: Date.now });
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  const follower = new FlowFollower({ host: "127.0.0.1", port: observer.port });
  try {
    await follower.begun();
    follower.read();
    const flow = create(FlowSchema, { Summary: "x".repeat(800) });
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 1000; i++) ring.append({ kind: "flow", flow });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await vi.waitFor(() => expect(follower.flows + follower.lost).toBe(60_000), { timeout: 10_000 });
    // a chunk a turn would be a sixteenth of them
    expect(follower.flows).toBeGreaterThan(20_000);
  } finally {
    follower.close();
    await observer.close();
  }
});
