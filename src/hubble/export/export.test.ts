import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FlowSchema } from "../../../proto/gen/flow_pb.js";
import { createFlowRing } from "../../flow/index.ts";
import { Registry } from "../../metrics/index.ts";
import { FlowExporter } from "./exporter.ts";
import { RotatedFile } from "./rotated-file.ts";
import { parseExportSettings } from "./settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sgt-flow-export-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const PATH = "hubble-export-file-path";

function world() {
  const ring = createFlowRing(1023);
  const metrics = new Registry();
  const log: string[] = [];
  const made = { ring, metrics, log, nowMs: 1_790_294_400_000 };
  const exporter = new FlowExporter({
    ...{ ring, metrics, directory, nodeName: "k8s-w1" },
    now: () => made.nowMs,
    log: (message) => log.push(message),
  });
  const add = (podName: string) =>
    ring.append({ kind: "flow", flow: create(FlowSchema, { source: { podName }, nodeName: "default/k8s-w1" }) });
  const count = (name: string) =>
    metrics.metrics().find((each) => each.name === `shieldgate_flow_export_${name}`)?.value;
  return { ...made, exporter, add, count, now: made };
}

const pods = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => /"pod_name":"(\w+)"/.exec(line)?.[1]);

test("what the ring takes is in the file when the export ends, and settings that change begin another", async () => {
  const { exporter, add, count } = world();
  add("before");
  exporter.configure(parseExportSettings({ [PATH]: "/var/run/cilium/hubble/events.log" }));
  for (const pod of ["a", "b"]) add(pod);
  exporter.configure(
    parseExportSettings({ [PATH]: "/var/run/cilium/hubble/sub/other.log", "hubble-export-fieldmask": "source" }),
  );
  add("c");
  await exporter.close();
  expect(pods(join(directory, "events.log"))).toEqual(["a", "b"]);
  expect(readFileSync(join(directory, "sub/other.log"), "utf8")).toBe('{"flow":{"source":{"pod_name":"c"}}}\n');
  expect(count("lines_total")).toBe(3);
});

test("a full disk stops the export, which says so once and goes on later", async () => {
  const { exporter, add, count, log, now } = world();
  symlinkSync("/dev/full", join(directory, "events.log"));
  exporter.configure(parseExportSettings({ [PATH]: "/var/run/cilium/hubble/events.log" }));
  const lost = (lines: number) => vi.waitFor(() => expect(count("lost_total")).toBe(lines), { timeout: 5000 });
  add("a");
  await lost(1);
  expect(log).toEqual([expect.stringMatching(/^export of flows: stands still, tried again every 30 s: ENOSPC/)]);
  rmSync(join(directory, "events.log"));
  add("b");
  await lost(2);
  now.nowMs += 30_000;
  add("c");
  await exporter.close();
  expect(pods(join(directory, "events.log"))).toEqual(["c"]);
  expect(log[1]).toBe("export of flows: goes on");
});

test("a full file goes aside under its time, packed, and the oldest is deleted", async () => {
  let nowMs = Date.parse("2026-11-27T08:00:00.000Z");
  const path = join(directory, "events.log");
  writeFileSync(join(directory, "events-notes.log"), "mine");
  const file = new RotatedFile({ path, maxBytes: 10, maxBackups: 2, compress: true, now: () => nowMs++ });
  await file.append(["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "a line that is longer\n", "ffff\n"]);
  await file.close();
  const packed = readdirSync(directory).filter((name) => name.endsWith(".gz"));
  expect(packed).toEqual(["events-2026-11-27T08-00-00.002.log.gz", "events-2026-11-27T08-00-00.003.log.gz"]);
  expect(packed.map((name) => gunzipSync(readFileSync(join(directory, name))).toString())).toEqual([
    "eeee\n",
    "a line that is longer\n",
  ]);
  expect(readdirSync(directory).sort()).toEqual(["events-notes.log", "events.log", ...packed].sort());
  expect(readFileSync(path, "utf8")).toBe("ffff\n");
  const again = new RotatedFile({ path, maxBytes: 10, maxBackups: 0, compress: false, now: () => nowMs++ });
  await again.append(["gggg\n", "hhhh\n"]);
  await again.close();
  expect(readFileSync(join(directory, "events-2026-11-27T08-00-00.004.log"), "utf8")).toBe("ffff\ngggg\n");
});

test.each([
  [{ [PATH]: "/etc/passwd" }, /write a file below \/var\/run\/cilium\/hubble\//],
  [{ [PATH]: "/var/run/cilium/hubble/../state/x" }, /write a file below/],
  [{ [PATH]: "/var/run/cilium/hubble/" }, /write a file below/],
  [{ "hubble-export-file-max-size-mb": "ten" }, /hubble-export-file-max-size-mb: "ten": write a whole number/],
  [{ "hubble-export-file-compress": "yes" }, /write true or false/],
  [{ "hubble-export-aggregation-interval": "soon" }, /write it like 30s/],
  [{ "hubble-export-allowlist": "DROPPED" }, /hubble-export-allowlist: .* write FlowFilters as JSON/],
  [{ "hubble-export-fieldmask": "sauce" }, /hubble-export-fieldmask: "sauce": .*no field "sauce"/],
])("refuses %j", (data, message) => {
  expect(() => parseExportSettings(data as unknown as Record<string, string>)).toThrow(message);
});
