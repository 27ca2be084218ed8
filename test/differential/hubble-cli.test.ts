import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { messageJson } from "../../src/flow/print/index.ts";

/** The real hubble command, when `npm run oracles` has built it. */
const REAL = join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "cache/oracles/v1.20.2/hubble");
const OURS = fileURLToPath(new URL("../../src/cli/hubble.ts", import.meta.url));
const COUNT = 400;

/** A linear congruential generator: the same flows in every run. */
function generator(seed: number) {
  let state = seed;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % limit;
  };
  return { below, pick: <T>(values: readonly T[]): T => values[below(values.length)] as T };
}

type FlowInit = MessageInitShape<typeof FlowSchema>;
type Random = ReturnType<typeof generator>;

function endpoint({ pick }: Random) {
  return pick([
    undefined,
    { identity: pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 16777217]) },
    { identity: 318, namespace: "default", podName: "deathstar-8c4c77fb7-9klws" },
    { identity: 102, namespace: "kube-system" },
    { identity: 2, podName: "lonely" },
  ]);
}

function layer4({ pick, below }: Random): FlowInit["l4"] {
  const ports = { sourcePort: pick([0, 43966]), destinationPort: pick([0, 53, 80]) };
  return pick<FlowInit["l4"]>([
    undefined,
    { protocol: { case: "TCP", value: { ...ports, flags: { SYN: true } } } },
    { protocol: { case: "UDP", value: ports } },
    { protocol: { case: "SCTP", value: ports } },
    { protocol: { case: "ICMPv4", value: { type: 8, code: below(2) } } },
  ]);
}

function layer7({ pick }: Random): FlowInit["l7"] {
  return pick<FlowInit["l7"]>([
    undefined,
    undefined,
    {
      type: pick([0, 1, 2, 3]),
      record: { case: "http", value: { code: 200, method: "GET", url: "http://x/?a=<b>&c" } },
    },
    { type: 1, record: { case: "dns", value: { query: "a.b.", observationSource: pick(["", "proxy"]) } } },
  ]);
}

function flow(random: Random): FlowInit {
  const { pick, below } = random;
  const policies = pick([
    [],
    [{ name: "rule1", namespace: "default", kind: "CiliumNetworkPolicy" }],
    [{ name: "a", kind: "K" }, { name: "b" }],
  ]);
  const source = endpoint(random);
  const destination = endpoint(random);
  const l4 = layer4(random);
  const l7 = layer7(random);
  return {
    ...(below(12) > 0 && {
      time: { seconds: BigInt(below(16_000_000)), nanos: pick([0, 1, 999_999_999, 120_000_000]) },
    }),
    verdict: below(8),
    ...(below(6) > 0 && { IP: { source: pick(["10.0.0.1", "fd00::1"]), destination: "10.0.0.2", ipVersion: 1 } }),
    ...(below(2) > 0 && { ethernet: { source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" } }),
    ...(l4 && { l4 }),
    ...(l7 && { l7 }),
    ...(source && { source }),
    ...(destination && { destination }),
    nodeName: pick(["", "default/k8s-w1"]),
    sourceNames: pick([[], ["a.example.com"], ["a", "b"]]),
    destinationNames: pick([[], ["b.example.com"]]),
    ...(below(8) > 0 && {
      eventType: {
        type: pick([1, 3, 4, 5, 5, 7, 129, 130, 0, 9]),
        subType: pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 130, 133, 136, 159, 161, 181, 205, 250]),
      },
    }),
    ...(below(4) === 0 && { sourceService: { name: pick(["", "web"]), namespace: "shop" } }),
    ...(below(4) === 0 && { destinationService: { name: "web", namespace: pick(["", "shop"]) } }),
    trafficDirection: below(3),
    policyMatchType: below(9),
    ...(below(3) > 0 && { isReply: below(2) === 1 }),
    authType: pick([0, 0, 0, 1, 2]),
    sockXlatePoint: below(5),
    debugCapturePoint: pick([0, 4, 5, 6, 11]),
    ...(below(9) === 0 && { ipTraceId: { traceId: 1234n } }),
    ingressAllowedBy: policies,
    egressDeniedBy: policies,
    egressAllowedBy: pick([[], [{ name: "e", kind: "Z", namespace: "n" }]]),
    ingressDeniedBy: pick([[], [{ name: "i", kind: "Z" }]]),
    Summary: pick(["", "TCP Flags: SYN", "HTTP/1.1 GET http://x/\u001b[2J\r"]),
  };
}

const FORMATS = ["compact", "dict", "tab", "json"].flatMap((format) =>
  [
    [],
    ["--print-node-name", "--print-policy-names"],
    ["--numeric"],
    ["--time-format", "RFC3339Nano"],
    ["--color", "always"],
  ].map((extra) => ["-o", format, ...extra] as const),
);
const FILTERS = [
  ["--type", "drop"],
  ["--type", "trace:to-overlay"],
  ["--verdict", "DROPPED"],
  ["--protocol", "http"],
  ["--protocol", "tcp", "--to-port", "80"],
  ["--pod", "deathstar"],
  ["--pod", "default/"],
  ["-n", "kube-system"],
  ["-A", "--pod", "lonely"],
  ["--identity", "world"],
  ["--not", "--verdict", "DROPPED", "--not", "--protocol", "udp"],
  ["--ip", "10.0.0.0/24"],
  ["--from-ip", "fd00::/8"],
  ["--to-fqdn", "*.example.com"],
  ["--service", "shop/web"],
  ["--http-status", "2+"],
  ["--http-url", "a="],
  ["--http-path", "^/$"],
  ["--tcp-flags", "syn"],
  ["--tcp-flags", "syn,ack"],
  ["--node-name", "k8s-*"],
  ["--traffic-direction", "ingress"],
  ["--ipv4"],
  ["--ip-version", "none"],
  ["--first", "7"],
  ["--last", "7"],
  ["--since", "1970-03-01", "--until", "1970-05-01T12:30Z"],
  ["--allowlist", '{"reply":[true]}'],
  ["--denylist", '{"event_type":[{"type":5}]}{"verdict":["FORWARDED"]}'],
];

describe.skipIf(!existsSync(REAL))("beside the real hubble command", () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
  const file = join(directory, "flows.json");
  const run = (program: string, args: readonly string[]) =>
    execFileSync(program, [...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 64 << 20,
      env: { ...process.env, NO_COLOR: "" },
    });
  const unmasked = "--use-default-field-masks=false";
  const real = (args: readonly string[]) => run(REAL, ["observe", unmasked, "--input-file", file, ...args]);
  const ours = (args: readonly string[]) => run(process.execPath, [OURS, "observe", "--input-file", file, ...args]);

  beforeAll(() => {
    const random = generator(7);
    const lines = Array.from({ length: COUNT }, () => {
      const value = create(FlowSchema, flow(random));
      const response = {
        responseTypes: { case: "flow" as const, value },
        nodeName: value.nodeName,
        ...(value.time && { time: value.time }),
      };
      return messageJson(GetFlowsResponseSchema, create(GetFlowsResponseSchema, response));
    });
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(FORMATS.map((args) => [args.join(" "), args] as const))("prints the same: %s", (_name, args) => {
    expect(ours(args).split("\n")).toEqual(real(args).split("\n"));
  });

  it.each(FILTERS.map((args) => [args.join(" "), args] as const))("selects the same: %s", (_name, args) => {
    expect(ours(args).split("\n")).toEqual(real(args).split("\n"));
  });

  it.each(FILTERS.map((args) => [args.join(" "), args] as const))("asks for the same: %s", (_name, args) => {
    const parse = (yaml: string) =>
      yaml.split("\n").map((line) => (line.startsWith("    - '") ? (JSON.parse(line.slice(7, -1)) as unknown) : line));
    expect(parse(ours([...args, "--print-raw-filters"]))).toEqual(parse(real([...args, "--print-raw-filters"])));
  });
});
