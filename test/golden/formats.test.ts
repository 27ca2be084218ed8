import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { LostEventSource } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { createPrinter, type OutputFormat, PLAIN, type PrintOptions } from "../../src/flow/print/index.ts";

const time = { seconds: 1234n, nanos: 567_800_000 };
const drop = create(GetFlowsResponseSchema, {
  responseTypes: {
    case: "flow",
    value: {
      time,
      verdict: 2,
      IP: { source: "1.1.1.1", destination: "2.2.2.2" },
      l4: { protocol: { case: "TCP", value: { sourcePort: 31793, destinationPort: 8080 } } },
      source: { identity: 4 },
      destination: { identity: 12345 },
      Type: 1,
      nodeName: "k8s1",
      eventType: { type: 1, subType: 133 },
      isReply: false,
      Summary: "TCP Flags: SYN",
    },
  },
});
const lost = create(GetFlowsResponseSchema, {
  time,
  nodeName: "k8s1",
  responseTypes: { case: "lostEvents", value: { source: LostEventSource.HUBBLE_RING_BUFFER, numEventsLost: 1n } },
});

function printed(format: OutputFormat, responses: (typeof drop)[], options: Partial<PrintOptions> = {}): string {
  const base = {
    palette: PLAIN,
    timeFormat: "StampMilli",
    nodeName: false,
    policyNames: false,
    numeric: false,
    debug: false,
  } as const;
  const printer = createPrinter(format, { ...base, ...options });
  return responses.map((response) => printer.print(response).out).join("") + printer.finish();
}

it("table", () => {
  expect(printed("table", [drop])).toBe(
    [
      "TIMESTAMP             SOURCE          DESTINATION    TYPE            VERDICT   SUMMARY",
      "Jan  1 00:20:34.567   1.1.1.1:31793   2.2.2.2:8080   Policy denied   DROPPED   TCP Flags: SYN",
      "",
    ].join("\n"),
  );
  expect(printed("table", [drop, lost], { nodeName: true })).toBe(
    [
      "TIMESTAMP             NODE   SOURCE               DESTINATION    TYPE            VERDICT   SUMMARY",
      "Jan  1 00:20:34.567   k8s1   1.1.1.1:31793        2.2.2.2:8080   Policy denied   DROPPED   TCP Flags: SYN",
      "Jan  1 00:20:34.567   k8s1   HUBBLE_RING_BUFFER   -              EVENTS LOST     -         CPU(0) - 1",
      "",
    ].join("\n"),
  );
  expect(printed("table", [])).toBe("");
});

it("dict", () => {
  const record = [
    "  TIMESTAMP: Jan  1 00:20:34.567",
    "       NODE: k8s1",
    "     SOURCE: 1.1.1.1:31793",
    "DESTINATION: 2.2.2.2:8080",
    "       TYPE: Policy denied",
    "    VERDICT: DROPPED",
    "    SUMMARY: TCP Flags: SYN",
    "",
  ].join("\n");
  expect(printed("dict", [drop, drop], { nodeName: true })).toBe(`${record}------------\n${record}`);
});

it("json", () => {
  expect(printed("json", [drop])).toBe(
    '{"flow":{"time":"1970-01-01T00:20:34.567800Z","verdict":"DROPPED","IP":{"source":"1.1.1.1","destination":"2.2.2.2"},"l4":{"TCP":{"source_port":31793,"destination_port":8080}},"source":{"identity":4},"destination":{"identity":12345},"Type":"L3_L4","node_name":"k8s1","event_type":{"type":1,"sub_type":133},"is_reply":false,"Summary":"TCP Flags: SYN"}}\n',
  );
  expect(printed("json", [lost])).toBe(
    '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"1"},"node_name":"k8s1","time":"1970-01-01T00:20:34.567800Z"}\n',
  );
  const escaped = create(GetFlowsResponseSchema, { responseTypes: { case: "flow", value: { Summary: "a<b>&c" } } });
  expect(printed("json", [escaped])).toBe('{"flow":{"Summary":"a\\u003cb\\u003e\\u0026c"}}\n');
});
