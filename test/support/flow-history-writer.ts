/** `flow-history-writer DIRECTORY`: keeps flows in a history until it is killed, and says the number and the time of the last. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { createFlowRing } from "../../src/flow/index.ts";
import { openFlowHistory } from "../../src/history/index.ts";

const ring = createFlowRing(4095);
openFlowHistory({
  directory: process.argv[2]!,
  ring,
  limits: { maxBytes: 1 << 30, maxAgeMs: 86_400_000 },
  run: BigInt(process.pid),
  now: Date.now,
  log: (message) => process.stderr.write(`${message}\n`),
});
setInterval(() => {
  const now = Date.now();
  for (let i = 0; i < 20; i++) {
    const flow = create(FlowSchema, { uuid: String(ring.next), time: timestampFromMs(now) });
    ring.append({ kind: "flow", flow });
  }
  process.stdout.write(`${ring.next - 1} ${now}\n`);
}, 2);
