import { spawnSync } from "node:child_process";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { AgentEventSchema, FlowSchema, LostEventSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import { ExportEventSchema } from "../../proto/gen/observer_pb.js";
import { FlowEntry, type RingEntry } from "../../src/flow/index.ts";
import { ExportRecords } from "../../src/hubble/export/records.ts";
import { parseExportSettings } from "../../src/hubble/export/settings.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { Chance } from "../support/any-message.ts";
import { meteredFlow } from "../support/metered-flow.ts";

const hubble = oracle("flow-export");
const reason = skipNote(hubble);

interface Settings {
  readonly allowlist?: string;
  readonly denylist?: string;
  readonly fields?: readonly string[];
  readonly aggregate?: readonly string[];
}

const chance = new Chance(11);
const at = (ms: number) => timestampFromMs(1_790_294_400_000 + ms);
const entries: readonly RingEntry[] = [
  ...Array.from({ length: 200 }, (_, index): RingEntry => {
    const flow = meteredFlow(chance);
    flow.nodeName = chance.pick(["default/k8s-w1", ""]);
    if (chance.below(5) > 0) flow.time = at(index);
    return FlowEntry.decoded(toBinary(FlowSchema, flow));
  }),
  ...[1, 2].map(
    (subType): RingEntry => ({ kind: "agent", event: create(AgentEventSchema, { type: subType }), time: at(7) }),
  ),
  {
    kind: "lost",
    lost: create(LostEventSchema, { source: LostEventSource.PERF_EVENT_RING_BUFFER, numEventsLost: 3n, last: at(9) }),
  },
];

/** In the form in which it would be exported. */
function eventJson(entry: RingEntry): unknown {
  const message =
    entry.kind === "flow"
      ? create(ExportEventSchema, { responseTypes: { case: "flow", value: entry.flow } })
      : entry.kind === "lost"
        ? create(ExportEventSchema, {
            responseTypes: { case: "lostEvents", value: entry.lost },
            time: entry.lost.last!,
          })
        : create(ExportEventSchema, { responseTypes: { case: "agentEvent", value: entry.event }, time: entry.time });
  return toJson(ExportEventSchema, message);
}

/** With a field mask each event has an exporter of its own: upstream's shows what an earlier flow had where the next has nothing. */
function eventsOf({ fields }: Settings): readonly (readonly RingEntry[])[] {
  return fields === undefined ? [entries] : entries.map((entry) => [entry]);
}

interface Exported {
  readonly lines: readonly string[];
  readonly error?: string;
}

function theirs(asked: readonly Settings[]): readonly Exported[] {
  const questions = asked.flatMap((settings) => eventsOf(settings).map((events) => ({ settings, events })));
  const answers = ask(questions.map(({ settings, events }) => ({ ...settings, events: events.map(eventJson) })));
  return asked.map((settings) => {
    const own = answers.splice(0, eventsOf(settings).length);
    const error = own.find((answer) => answer.error !== undefined)?.error;
    return { lines: own.flatMap(({ lines }) => lines ?? []), ...(error !== undefined && { error }) };
  });
}

function ask(questions: readonly unknown[]): { readonly lines: readonly string[] | null; readonly error?: string }[] {
  if ("missing" in hubble) return [];
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  const { stdout, stderr } = spawnSync(hubble.path, { input, maxBuffer: 1 << 30, encoding: "utf8" });
  const answers = stdout.trim().split("\n");
  expect(answers, stderr).toHaveLength(questions.length);
  return answers.map((line) => JSON.parse(line) as { lines: string[] });
}

function ours({ allowlist = "", denylist = "", fields = [], aggregate = [] }: Settings): string[] {
  const settings = parseExportSettings({
    "hubble-export-file-path": "stdout",
    "hubble-export-allowlist": allowlist,
    "hubble-export-denylist": denylist,
    "hubble-export-fieldmask": fields.join(","),
    "hubble-export-fieldaggregate": aggregate.join(" "),
    "hubble-export-aggregation-interval": "1h",
  });
  const records = new ExportRecords(settings, "k8s-w1");
  const lines = [...entries.flatMap((entry) => records.take(entry)), ...records.flush()];
  return lines.map((line) => line.trimEnd());
}

/** Without messages in which nothing is set: upstream writes one for each that a field mask names. */
function withoutEmpty(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const kept = Object.entries(value).map(([name, inner]) => [name, withoutEmpty(inner)] as const);
  const set = kept.filter(([, inner]) => inner !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** Upstream's encoder puts a space behind commas by chance, and aggregates in no order. */
function comparable(lines: readonly string[], { aggregate, fields }: Settings): unknown[] {
  const parsed = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as unknown);
  const plain = parsed.map((line) => JSON.stringify(fields === undefined ? line : withoutEmpty(line)));
  return aggregate === undefined ? plain : plain.sort();
}

const SETTINGS: readonly Settings[] = [
  {},
  { allowlist: '{"verdict":["DROPPED"]}' },
  { allowlist: '{"verdict":["DROPPED"]} {"source_pod":["default/xwing"]}' },
  { denylist: '{"source_pod":["default/"]}{"verdict":["FORWARDED"]}' },
  { allowlist: '{"event_type":[{"type":129}]}' },
  { allowlist: '{"event_type":[{"type":130,"match_sub_type":true,"sub_type":2}]}' },
  { allowlist: '{"event_type":[{"type":4}],"verdict":["DROPPED"]}', denylist: '{"event_type":[{"type":130}]}' },
  { allowlist: "{}", denylist: '{"event_type":[{"type":1}]}' },
  { denylist: "{}" },
  { fields: ["time", "node_name", "verdict", "source.pod_name", "l4.TCP.destination_port"] },
  { fields: ["verdict", "event_type"] },
  { fields: ["destination", "l7.http.code", "IP.source"] },
  { aggregate: ["source.namespace", "destination.namespace", "verdict"] },
  { aggregate: ["source", "traffic_direction", "node_name"], allowlist: '{"verdict":["FORWARDED","DROPPED"]}' },
];

describe.skipIf("missing" in hubble)(`flows are exported as Hubble's exporter does${reason}`, () => {
  test("with its filters, fields and aggregation", () => {
    for (const [index, expected] of theirs(SETTINGS).entries()) {
      const settings = SETTINGS[index]!;
      const what = JSON.stringify(settings);
      expect(expected.error, what).toBeUndefined();
      expect(comparable(ours(settings), settings), what).toEqual(comparable(expected.lines, settings));
    }
  });

  test("and what it refuses is refused", () => {
    const asked: readonly Settings[] = [
      { allowlist: "verdict" },
      { allowlist: '{"verdict":["DROPPED"]' },
      { denylist: '{"nonesuch":1}' },
      { fields: ["nonesuch"] },
      { fields: ["source.nonesuch"] },
      { aggregate: ["nonesuch"] },
    ];
    for (const [index, expected] of theirs(asked).entries()) {
      expect(expected.error, JSON.stringify(asked[index])).toBeDefined();
      expect(() => ours(asked[index]!), JSON.stringify(asked[index])).toThrow(/^hubble-export-/);
    }
  });
});
