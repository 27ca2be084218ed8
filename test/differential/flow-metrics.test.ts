import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Flow, FlowSchema } from "../../proto/gen/flow_pb.js";
import { createFlowMetrics } from "../../src/hubble/metrics/flow-metrics.ts";
import { Registry } from "../../src/metrics/index.ts";
import { CILIUM_RELEASE, oracle, skipNote } from "../oracle/cache.ts";
import { Chance } from "../support/any-message.ts";
import { meteredFlow } from "../support/metered-flow.ts";
import { DASHBOARDS } from "../support/metrics-dashboards.ts";

const hubble = oracle("flow-metrics");
const reason = skipNote(hubble);

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly buckets?: Readonly<Record<string, number>>;
  readonly exemplars?: readonly string[];
}

interface Gathered {
  readonly families: readonly { readonly name: string; readonly type: string; readonly series: readonly Series[] }[];
  readonly error?: string;
}

interface Question {
  readonly metrics: string;
  readonly flows: readonly Flow[];
  /** Pods that went away after the flows, `namespace/name`. */
  readonly gone?: readonly string[];
}

function theirs(questions: readonly Question[]): Gathered[] {
  if ("missing" in hubble) return [];
  const lines = questions.map(({ flows, ...rest }) => ({
    ...rest,
    flows: flows.map((flow) => toJson(FlowSchema, flow)),
  }));
  const input = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const { stdout, stderr } = spawnSync(hubble.path, { input, maxBuffer: 1 << 30, encoding: "utf8" });
  const answers = stdout.trim().split("\n");
  expect(answers, stderr).toHaveLength(questions.length);
  return answers.map((line) => JSON.parse(line) as Gathered);
}

function ours({ metrics: list, flows, gone = [] }: Question): Gathered {
  const registry = new Registry();
  const metrics = createFlowMetrics({ registry, list, now: () => 1 });
  for (const flow of flows) metrics.process(flow);
  for (const pod of gone) {
    const [namespace, name] = pod.split("/") as [string, string];
    metrics.forgetPod(namespace, name);
  }
  const families = registry.families().filter(({ size, name }) => size > 0 && name.startsWith("hubble_"));
  return {
    families: families.map((family) => ({
      name: family.name,
      type: family.type,
      series: [...family.all()].map(([values, series]): Series => {
        const samples = series.samples();
        const bucket = samples.filter(({ suffix }) => suffix === "_bucket");
        const sum = samples.find(({ suffix }) => suffix === "_sum" || suffix === "")!;
        const exemplars = samples.flatMap(({ exemplar }) =>
          exemplar === undefined ? [] : [`traceID=${exemplar.labels["traceID"]} ${exemplar.value}`],
        );
        return {
          labels: Object.fromEntries(family.labels.map((label, at) => [label, values[at]!])),
          value: sum.value,
          ...(bucket.length > 0 && {
            buckets: Object.fromEntries(
              bucket.map(({ le, value }) => [le === Infinity ? "+Inf" : String(le), value] as const),
            ),
          }),
          ...(exemplars.length > 0 && { exemplars }),
        };
      }),
    })),
  };
}

/** In one order, and sums of many numbers to what floating point keeps of them. */
function sorted(gathered: Gathered): unknown {
  const key = ({ labels }: Series) => JSON.stringify(Object.entries(labels).sort());
  return gathered.families.map(({ name, type, series }) => ({
    name,
    type,
    series: series
      .map(({ value, ...rest }) => ({ ...rest, value: Number(value.toPrecision(12)) }))
      .sort((a, b) => (key(a) < key(b) ? -1 : 1)),
  }));
}

const CONTEXTS = ["identity", "namespace", "pod", "pod-name", "dns", "ip", "reserved-identity", "workload"];
const LABELS = ["source_ip", "source_pod", "source_namespace", "source_workload", "source_workload_kind", "source_app"];
const ALL_LABELS = [...LABELS, ...LABELS.map((label) => label.replace("source", "destination")), "traffic_direction"];

const SETTINGS = [
  "dns drop tcp flow icmp http policy port-distribution flows-to-world sctp",
  "httpV2 dns:query flow",
  "dns:query;ignoreAAAA http:exemplars=true flows-to-world:any-drop;port;syn-only",
  "httpV2:exemplars=true;labelsContext=source_ip,source_namespace,source_workload,destination_ip,destination_namespace,destination_workload,traffic_direction",
  "httpV2:exemplars=false flows-to-world:port DNS:query tcp:Bogus=1",
  "flows-to-world:syn-only dns:QUERY;IGNOREAAAA",
  ...[...CONTEXTS, "workload-name", "app", "App|POD", "dns|ip", "reserved-identity|pod|dns|ip"].flatMap((context) => [
    `drop:sourceContext=${context};destinationContext=${context} flow:destinationContext=${context}`,
    `httpV2:sourceContext=${context} policy:sourceContext=${context};destinationContext=pod`,
  ]),
  "flow:sourceEgressContext=pod;sourceIngressContext=ip;destinationEgressContext=dns|ip;destinationIngressContext=workload-name",
  "flow:sourceContext=namespace;sourceEgressContext=pod;destinationContext=app;destinationIngressContext=identity",
  "httpV2:sourceEgressContext=workload-name|reserved-identity;sourceIngressContext=pod;destinationContext=app",
  "http:destinationContext=app;labelsContext=source_app,source_pod tcp:sourceIngressContext= icmp:sourceContext=",
  ...ALL_LABELS.map((label) => `tcp:labelsContext=${label} sctp:labelsContext=${label}`),
  `icmp:labelsContext=${[...ALL_LABELS].reverse().join(",")};sourceContext=ip port-distribution:labelsContext=${ALL_LABELS.join(",")}`,
  `flows-to-world:any-drop;labelsContext=source_namespace,source_app;destinationContext=dns|ip nonesuch:a=b`,
  "dns:labelsContext=source_namespace,destination_namespace,source_pod;sourceContext=pod",
];

const REFUSED = [
  "http httpV2",
  "flow:sourceContext=pod-short",
  "tcp:labelsContext=source_node",
  "drop:sourceContext",
  "dns:destinationIngressContext=ns|pod",
  "flow:labelsContext",
];

describe.skipIf("missing" in hubble)(`flows are counted as Hubble's handlers count them${reason}`, () => {
  const chance = new Chance(7);
  const flows = Array.from({ length: 600 }, () => meteredFlow(chance));

  test("with every handler, option and context", () => {
    const questions = SETTINGS.map((metrics): Question => ({ metrics, flows }));
    for (const [at, expected] of theirs(questions).entries()) {
      expect(expected.error, SETTINGS[at]).toBeUndefined();
      expect(expected.families.length, SETTINGS[at]).toBeGreaterThan(0);
      expect(sorted(ours(questions[at]!)), SETTINGS[at]).toEqual(sorted(expected));
    }
  });

  test("of a pod that is gone nothing is left", () => {
    const settings = [
      "flow:sourceContext=pod;destinationContext=namespace",
      "tcp:destinationIngressContext=pod|ip drop:labelsContext=source_pod,source_namespace,destination_ip",
      "httpV2:labelsContext=destination_namespace,destination_pod dns:labelsContext=source_pod",
    ];
    const gone = ["default/xwing", "prod/deathstar-7f9"];
    const questions = settings.map((metrics): Question => ({ metrics, flows, gone }));
    for (const [at, expected] of theirs(questions).entries()) {
      expect(sorted(ours(questions[at]!)), settings[at]).toEqual(sorted(expected));
      expect(sorted(expected)).not.toEqual(sorted(ours({ ...questions[at]!, gone: [] })));
    }
  });

  test("but for a label that their list of labels loses to another one", () => {
    const metrics = `dns:labelsContext=${ALL_LABELS.slice(0, 5).join(",")}`;
    const [expected] = theirs([{ metrics, flows }]);
    const labels = ({ families }: Gathered) => {
      const family = families.find(({ name }) => name === "hubble_dns_responses_total");
      return Object.keys(family?.series[0]?.labels ?? {}).filter((name) => !name.startsWith("source_"));
    };
    expect(labels(expected!).sort()).toEqual(["ips_returned", "qtypes", "type"]);
    expect(labels(ours({ metrics, flows })).sort()).toEqual(["ips_returned", "qtypes", "rcode"]);
  });

  test("and what they refuse is refused", () => {
    const questions = REFUSED.map((metrics): Question => ({ metrics, flows: [create(FlowSchema)] }));
    for (const [at, expected] of theirs(questions).entries()) {
      expect(expected.error, REFUSED[at]).toBeDefined();
      expect(() => ours(questions[at]!), REFUSED[at]).toThrow();
    }
  });
});

const modules = spawnSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).stdout?.trim() ?? "";
/** The chart in the module from which the oracles are built. */
const CHART = join(modules, `github.com/cilium/cilium@${CILIUM_RELEASE}/install/kubernetes/cilium/files`);
const hasChart = modules !== "" && existsSync(CHART);

test.skipIf(!hasChart)(
  `the list of what dashboards ask for is theirs${hasChart ? "" : " (skipped: no chart of Cilium)"}`,
  () => {
    const directories = ["cilium-agent", "hubble"].map((of) => join(CHART, of, "dashboards"));
    const asked = directories.flatMap((directory) =>
      readdirSync(directory).map((file) => {
        const queries = readFileSync(join(directory, file), "utf8").matchAll(/"(?:expr|query|definition)": "(.*)"/g);
        const names = [...queries].flatMap(
          ([, query = ""]) => query.match(/\b(?:cilium|hubble|kvstore)_[a-z0-9_]+/g) ?? [],
        );
        return [file, [...new Set(names)].filter((name) => !name.startsWith("cilium_operator")).sort()] as const;
      }),
    );
    const ours = Object.entries(DASHBOARDS).filter(([name]) => name.endsWith(".json"));
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(asked));
  },
);
