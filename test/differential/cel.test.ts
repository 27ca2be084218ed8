import { spawnSync } from "node:child_process";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { FlowFilterSchema, FlowSchema } from "../../proto/gen/flow_pb.js";
import { compileFilters } from "../../src/flow/filters/index.ts";
import { oracle, skipNote } from "../oracle/cache.ts";

const real = oracle("cel");
const why = skipNote(real);

const FLOW: JsonObject = {
  ...{ verdict: "FORWARDED", uuid: "abc", isReply: false, time: "2026-01-01T00:00:00Z" },
  source: {
    ...{ identity: 7, podName: "xwing", labels: ["k8s:class=xwing", "k8s:org=alliance"] },
    workloads: [{ name: "xwing", kind: "Deployment" }],
  },
  destination: { identity: 9 },
  l4: { TCP: { sourcePort: 1, destinationPort: 80, flags: { SYN: true } } },
  IP: { source: "1.2.3.4", destination: "5.6.7.8", ipVersion: "IPv4" },
  l7: { type: "REQUEST", latencyNs: "5", http: { code: 200, url: "/x", headers: [{ key: "a", value: "b" }] } },
};

const EXPRESSIONS: readonly string[] = [
  "true",
  "false",
  "1",
  "'x'",
  "_flow",
  "_flow.uuid",
  "_flow.source.labels",
  "_flow.source.labels[0]",
  "_flow.source.labels.map(l, l)",
  "true || _flow.verdikt == 1",
  "_flow.source.pod == 'x'",
  "true || _flow.uuid == 1",
  "_flow.source.identity > 1",
  "_flow.source.identity > 1u",
  "_flow.source.labels.exists(l, l == 7)",
  "_flow.source && true",
  "_flow.uuid.x == 1",
  "verdict == 1",
  "_flow.uuid == lower(_flow.uuid)",
  "_flow.uuid.lower() == 'x'",
  "_flow.uuid.matches('a.c')",
  "_flow.uuid.matches(7)",
  "_flow.uuid.startsWith(1)",
  "size(_flow.uuid) == 3",
  "size(7) == 1",
  "_flow.verdict == Verdict.FORWARDED",
  "_flow.verdict == Verdict.FORWARDEDX",
  "_flow.verdict == 1",
  "_flow.verdict == 'FORWARDED'",
  "_flow.l4.TCP.destination_port == 80u",
  "_flow.l4.TCP.destination_port == 80",
  "_flow.l4.UDP.destination_port == 80u",
  "has(_flow.l4.UDP)",
  "has(_flow.l4.TCP)",
  "has(_flow.nothing)",
  "has(_flow)",
  "_flow.time != null",
  "_flow.time == null",
  "_flow.l7.http.code == 200u",
  "_flow.l7.latency_ns == 5u",
  "_flow.is_reply == false",
  "_flow.is_reply.value",
  "_flow.is_reply",
  "!_flow.is_reply",
  "_flow.source.labels[99] == 'x'",
  "_flow.source.labels['x'] == 'x'",
  "_flow.uuid[0] == 'a'",
  "'a' in _flow.source.labels",
  "1 in _flow.source.labels",
  "1 in 2",
  "1 + 'a' == 2",
  "1 + 1 == 2",
  "-'a' == 1",
  "!1",
  "true ? 1 : 'a'",
  "true ? true : 'a'",
  "1 ? true : false",
  "[1, 'a'] == []",
  "{'a': 1}.a == 1",
  "{'a': 1}['a'] == 1",
  "{1: 'a'}.size() == 1",
  "Flow{uuid: 'x'} == _flow",
  "Flow{nope: 1} == _flow",
  "Nope{} == _flow",
  "int('7') == 7",
  "int('x') == 7",
  "string(1) == '1'",
  "duration('1s') < duration('2s')",
  "timestamp('2026-01-01T00:00:00Z') == _flow.time",
  "timestamp('x') == _flow.time",
  "_flow.time.getFullYear() == 2026",
  "_flow.source.workloads.all(w, w.kind in ['Pod', 'Deployment'])",
  "_flow.source.workloads.exists_one(w, w.name == 'xwing')",
  "_flow.source.workloads.exists(w, w.nope == 'xwing')",
  "_flow.source.labels.filter(l, l.endsWith('alliance')).size() == 1",
  "_flow.source.labels.exists(1, true)",
  "_flow.uuid.exists(c, true)",
  "1.exists(c, true)",
  "_flow.l7.http.headers.exists(h, h.key == 'a' && h.value == 'b')",
  "dyn(1) == 'a'",
  "type(1) == int",
  "_flow.source.identity == dyn(7)",
  "1 == 1u",
  "1 < 1.5",
  "1.0 == 1.0",
  "b'a' == 'a'",
  "_flow.source == _flow.destination",
  "_flow.source == _flow.uuid",
  "1 / 0 == 1",
  "_flow.ethernet.source == ''",
  "optional.of(1) == 1",
  "'a'.contains('b')",
  "'a' + 'b' == 'ab'",
  "_flow.policy_match_type == 0u",
  "_flow.IP.ipVersion == IPVersion.IPv4",
  "_flow.event_type.type == 4",
  "_flow.nodename == ''",
  "null",
  "null == 1",
  "[].exists(x, x == 1)",
  "[1,2].map(x, x > 1, x * 2) == [4]",
  "_flow.source.labels.size() > 1 && _flow.uuid",
  "_flow.source.labels == ['a']",
  "_flow.source.labels == [1]",
  "_flow.source.labels + [1] == []",
  "_flow.source.\n  pod == 'x' &&\n_flow.uuid == 1",
  "_flow.nope == 1 || _flow.uuid == 1 || !_flow.uuid",
  "Flow{nope: 1, uuid: 'x', more: 2} == _flow",
  "_flow.source.labels.map(l, l.size()) == [1]",
  "_flow.source.labels.filter(l, l > 1) == []",
  "_flow.l7.http.headers.map(h, h.key)[0] == 1",
  "_flow.source.labels.all(l, l)",
];

/** One of each kind. */
const OPERANDS = [
  ...["true", "1", "2u", "1.5", "'a'", "b'a'", "null", "[1]", "['a']", "dyn(1)", "_flow", "_flow.source"],
  ...["_flow.is_reply", "_flow.uuid", "_flow.source.labels", "_flow.source.workloads", "_flow.verdict"],
];
const OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&&", "||", "in"];
const ONE = [
  "!X",
  "-(X) == X",
  "size(X) > 0",
  "X.size() > 0",
  "X[0] == X",
  "X.startsWith('a')",
  "X.contains(X)",
  "X.matches('a')",
];
const MORE = [
  "has(X.uuid)",
  "X.uuid == ''",
  "X.exists(x, x == 1)",
  "X.map(x, x) == dyn(1)",
  "X ? true : false",
  "true ? X : 1",
];

interface Answer {
  readonly passes: boolean;
  readonly error?: string;
}

function theirs(expressions: readonly string[]): Answer[] {
  if ("missing" in real) return [];
  const input = expressions.map((expression) => `${JSON.stringify({ expression, flow: FLOW })}\n`).join("");
  const { stdout, stderr } = spawnSync(real.path, { input, maxBuffer: 1 << 28, encoding: "utf8" });
  const answers = stdout.trim().split("\n");
  expect(answers, stderr).toHaveLength(expressions.length);
  return answers.map((line) => JSON.parse(line) as Answer);
}

const flow = fromJson(FlowSchema, FLOW);

function ours(expression: string): Answer {
  const filter: JsonValue = { experimental: { cel_expression: [expression] } };
  try {
    const passes = compileFilters([fromJson(FlowFilterSchema, filter)], []);
    return { passes: passes?.(flow) ?? true };
  } catch (error) {
    return { passes: false, error: (error as Error).message };
  }
}

function mustAgree(expressions: readonly string[]): void {
  const wanted = theirs(expressions).map((answer, index) => ({ expression: expressions[index], ...answer }));
  expect(expressions.map((expression) => ({ expression, ...ours(expression) }))).toEqual(wanted);
}

describe.skipIf("missing" in real)(
  `expressions over flows pass, or are refused in the words, as Hubble's do${why}`,
  () => {
    test("a hundred of all sorts", () => mustAgree(EXPRESSIONS));
    test("each operator on two of each kind", () => {
      mustAgree(
        OPERATORS.flatMap((operator) =>
          OPERANDS.flatMap((a) => OPERANDS.map((b) => `dyn(${a} ${operator} ${b}) == true`)),
        ),
      );
    });
    test("each function of one of each kind", () => {
      mustAgree([...ONE, ...MORE].flatMap((form) => OPERANDS.map((one) => form.replaceAll("X", one))));
    });
  },
);
