import { toJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { GetFlowsRequestSchema } from "../../../proto/gen/observer_pb.js";
import { parseArguments } from "../cobra/flags.ts";
import { acceptedFlags, findCommand } from "../cobra/tree.ts";
import { FlowFilters } from "./filters.ts";
import { filterFlags, RAW_FILTER_FLAGS } from "./flags.ts";
import { flowsRequest } from "./request.ts";
import { Settings } from "./settings.ts";
import { hubbleTree } from "./tree.ts";

const NOW = Date.UTC(2026, 8, 25, 12, 0, 0);
const NO_FILE = { HUBBLE_CONFIG: "/nonexistent/config.yaml" };

function request(args: string, env: Record<string, string> = {}): Record<string, unknown> {
  const filters = new FlowFilters();
  const tree = hubbleTree({});
  const command = findCommand(tree, ["observe"]).path.at(-1) ?? tree.root;
  const others = acceptedFlags(tree, command).filter(({ kind }) => kind !== "filter");
  const { flags } = parseArguments(args === "" ? [] : args.split(" "), [...others, ...filterFlags(filters)]);
  const settings = new Settings(flags, { ...NO_FILE, ...env }, RAW_FILTER_FLAGS);
  const unmasked = [{ name: "use-default-field-masks", value: "false" }, ...flags];
  const built = flowsRequest(unmasked, filters, settings, { env, terminal: false, nowMs: NOW });
  return toJson(GetFlowsRequestSchema, built.request, { useProtoFieldName: true }) as Record<string, unknown>;
}

const white = (args: string, env?: Record<string, string>) => request(args, env)["whitelist"];
const black = (args: string) => request(args)["blacklist"];

describe("how many and from when", () => {
  it.each([
    ["", { number: "20" }],
    ["--last 5", { number: "5" }],
    ["--first 5", { number: "5", first: true }],
    ["--all", { number: "18446744073709551615" }],
    ["-f", { follow: true }],
    ["-f --last 3", { follow: true, number: "3" }],
    ["--since 90s", { since: "2026-09-25T11:58:30Z" }],
    ["--since 1h30m --last 2", { number: "2", since: "2026-09-25T10:30:00Z" }],
    ["--until 2026-09-25", { until: "2026-09-25T00:00:00Z" }],
    ["--until 2026-09-25T10Z", { until: "2026-09-25T10:00:00Z" }],
    ["--until 2026-09-25T10:30+02:00", { until: "2026-09-25T08:30:00Z" }],
    ["--since 2026-09-25T10:30:01.123456789Z --last 1", { number: "1", since: "2026-09-25T10:30:01.123456789Z" }],
    ["-f --until 1s", { follow: true }],
    ["--field-mask time,source.identity -o json", { number: "20", field_mask: "time,source.identity" }],
  ])("%s", (args, expected) => {
    expect(request(args)).toEqual(expected);
  });
});

describe("filters of one meaning", () => {
  it.each([
    ["--type drop", { event_type: [{ type: 1 }] }],
    ["-t trace:to-overlay", { event_type: [{ type: 4, match_sub_type: true, sub_type: 4 }] }],
    ["--type drop:133 --type l7", { event_type: [{ type: 1, match_sub_type: true, sub_type: 133 }, { type: 129 }] }],
    ["--verdict DROPPED --protocol tcp", { verdict: ["DROPPED"], protocol: ["tcp"] }],
    ["--from-identity 19274", { source_identity: [19274] }],
    ["--to-identity world", { destination_identity: [2] }],
    ["--from-pod kube-system/", { source_pod: ["kube-system/"] }],
    ["--from-pod a --from-pod b/c", { source_pod: ["a", "b/c"] }],
    ["--tcp-flags syn,ack --tcp-flags FIN", { tcp_flags: [{ SYN: true, ACK: true }, { FIN: true }] }],
    [
      "--http-status 5+ --http-method get --http-path /v1",
      { http_status_code: ["5+"], http_method: ["get"], http_path: ["/v1"] },
    ],
    ["--http-header X-A:b", { http_header: [{ key: "X-A", value: "b" }] }],
    ["-4", { ip_version: ["IPv4"] }],
    ["--node-name k8s-w1", { node_name: ["k8s-w1"] }],
    ["--from-workload Deployment/deathstar", { source_workload: [{ kind: "Deployment", name: "deathstar" }] }],
    ["--traffic-direction egress", { traffic_direction: ["EGRESS"] }],
    ["--drop-reason-desc POLICY_DENIED", { drop_reason_desc: ["POLICY_DENIED"] }],
    ["--interface lxc1 --unencrypted", { interface: [{ name: "lxc1" }], encrypted: [false] }],
    ["--from-namespace default", { source_pod: ["default/"] }],
    ["--from-namespace a --from-namespace b --from-pod x", { source_pod: ["a/x", "b/x"] }],
    ["--to-all-namespaces --to-pod x", { destination_pod: ["/x"] }],
    [
      "--from-label k8s:app=a,org --snat-ip 10.0.0.1",
      { source_label: ["k8s:app=a,org"], source_ip_xlated: ["10.0.0.1"] },
    ],
  ])("%s", (args, filter) => {
    expect(white(args)).toEqual([filter]);
  });
});

describe("filters of either end", () => {
  it.each([
    ["--pod deathstar", { source_pod: ["deathstar"] }, { destination_pod: ["deathstar"] }],
    [
      "--pod deathstar --protocol http",
      { source_pod: ["deathstar"], protocol: ["http"] },
      { destination_pod: ["deathstar"], protocol: ["http"] },
    ],
    ["-n prod --pod x", { source_pod: ["prod/x"] }, { destination_pod: ["prod/x"] }],
    ["-n prod", { source_pod: ["prod/"] }, { destination_pod: ["prod/"] }],
    ["-A --service x", { source_service: ["/x"] }, { destination_service: ["/x"] }],
    ["--identity 318", { source_identity: [318] }, { destination_identity: [318] }],
    [
      "--port 80 --ip 10.0.0.0/8",
      { source_port: ["80"], source_ip: ["10.0.0.0/8"] },
      { destination_port: ["80"], destination_ip: ["10.0.0.0/8"] },
    ],
    [
      "--label a=b --fqdn *.x",
      { source_label: ["a=b"], source_fqdn: ["*.x"] },
      { destination_label: ["a=b"], destination_fqdn: ["*.x"] },
    ],
  ])("%s", (args, left, right) => {
    expect(white(args)).toEqual([left, right]);
  });
});

describe("--not and raw filters", () => {
  it("puts the next flag on the blacklist", () => {
    expect(black("--not --pod x --verdict DROPPED")).toEqual([{ source_pod: ["x"] }, { destination_pod: ["x"] }]);
    expect(white("--not --pod x --verdict DROPPED")).toEqual([{ verdict: ["DROPPED"] }]);
    expect(() => request("--not --not --pod x")).toThrow("consecutive --not statements");
    expect(() => request("--pod x --not")).toThrow("trailing --not found in the arguments");
  });

  it("takes JSON filters, several in one value, also from the environment", () => {
    expect(white('--allowlist {"source_pod":["a}"]}{"verdict":["DROPPED"]}')).toEqual([
      { source_pod: ["a}"] },
      { verdict: ["DROPPED"] },
    ]);
    expect(white("", { HUBBLE_ALLOWLIST: '{"protocol":["udp"]}' })).toEqual([{ protocol: ["udp"] }]);
    expect(() => request('--denylist {"no_such":1}')).toThrow(
      `invalid --denylist flag: failed to decode '{"no_such":1}': proto: (line 1:2): unknown field "no_such"`,
    );
  });
});

describe("what is refused", () => {
  it.each([
    ["--first 1 --last 1", "cannot set both --first and --last"],
    ["--first 1 --follow", "cannot set both --first and --follow"],
    ["--verdict dropped", "invalid --verdict value: dropped"],
    ["--type bogus", "unable to parse type 'bogus', not a known type name"],
    ["--type trace:nowhere", "unable to parse event sub-type 'nowhere', not a known sub-type name"],
    ["--identity nobody", "invalid security identity, expected one of [host world "],
    ["--tcp-flags sin", "unknown tcp flag: sin"],
    ["--since yesterday", "failed to convert yesterday to time"],
    ["--ip 1.1.1.1 --pod x", "filters --ip and --pod cannot be combined"],
    ["--pod x --from-pod y", "filters --from-pod and --pod cannot be combined"],
    ["--from-pod x --namespace y", "filters --from-pod and --namespace cannot be combined"],
    ["--namespace a --pod b/c", 'namespace conflict: "a" does not contain "b/c"'],
    ["--last x", 'invalid argument "x" for "--last" flag'],
    ["--last", "flag needs an argument: --last"],
    ["-o", "flag needs an argument: 'o' in -o"],
    ["-z", "unknown shorthand flag: 'z' in -z"],
    ["--follow=maybe", 'invalid argument "maybe" for "-f, --follow" flag'],
  ])("%s", (args, message) => {
    expect(() => request(args)).toThrow(message);
  });

  it.each([
    ["-o yaml", "invalid output format: yaml"],
    ["-o tab -f", "table output format is not compatible with follow mode"],
    ["--field-mask time", "compact output format is not compatible with custom field mask"],
    ["--field-mask time,bogus -o json", 'invalid path "bogus" for message "flow.Flow"'],
  ])("%s", (args, message) => {
    expect(() => request(args)).toThrow(message);
  });
});
