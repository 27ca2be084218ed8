/** What apimachinery 0.34 says of selectors that it cannot read, and what it takes. */
import { describe, expect, it } from "vitest";
import { parseFieldSelector } from "./field-selector.ts";
import type { ResourceKind } from "./kind.ts";
import { appsKinds } from "./kinds/apps.ts";
import { parseLabelSelector } from "./label-selector.ts";

const said = (parse: () => unknown): string => {
  try {
    parse();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};
const bad = "unable to parse requirement:";
const part =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

describe("label selectors", () => {
  it.each([
    ["a=b=c", "found '=', expected: ',' or 'end of string'"],
    ["=b", "found '=', expected: !, identifier, or 'end of string'"],
    ["a=b,", "found '', expected: identifier after ','"],
    ["a b", `${bad} found 'b', expected: in, notin, =, ==, !=, gt, lt`],
    ["a!b", `${bad} found '!', expected: in, notin, =, ==, !=, gt, lt`],
    ["!", `${bad} found '', expected: identifier`],
    ["a=(b)", `${bad} found '(', expected: identifier`],
    ["a in b", `${bad} found 'b' expected: '('`],
    ["a in (b", `${bad} found '', expected: ',' or ')'`],
    ["a in (b c)", `${bad} found 'c', expected: ',' or ')'`],
    ["a in (=)", `${bad} found '=', expected: ',', ')' or identifier`],
    ["a in (b,=)", `${bad} found '=', expected: ',', or identifier`],
    ["a>x", `${bad} values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`],
    ["-a", `${bad} <nil>: Invalid value: "-a": name part ${part}`],
    ["/a", `${bad} <nil>: Invalid value: "/a": prefix part must be non-empty`],
  ])("%s", (text, words) => expect(said(() => parseLabelSelector(text))).toBe(words));

  it("names each value that cannot be one", () => {
    const words = said(() => parseLabelSelector("app in (-x,ok,y/z)"));
    expect(words).toMatch(
      /^unable to parse requirement: \[values\[0\]\[app\]: Invalid value: "-x": a valid label must be/,
    );
    expect(words).toMatch(/, values\[2\]\[app\]: Invalid value: "y\/z": .*'\)\]$/);
  });

  it.each([
    ["", true],
    [" a == 1 , b!=2", true],
    ["a in (2, 1),!c", true],
    ["a notin (1)", false],
    ["c notin (1)", true],
    ["a>0,a<2", true],
    ["b>0", false],
    ["in in (x)", true],
    ["e=", true],
    ["e in (,y)", true],
    ["e in (y,)", true],
  ])("%s selects: %s", (text, isSelected) =>
    expect(parseLabelSelector(text)({ a: "1", b: "x", in: "x", e: "" })).toBe(isSelected),
  );
});

describe("field selectors", () => {
  const kind = (name: string, more: object = {}): ResourceKind =>
    ({ kind: name, namespaced: true, strategy: {}, ...more }) as ResourceKind;
  const pods = kind("Pod", { strategy: { selectable: () => ({ "status.phase": "" }) } });

  it.each([
    [pods, "phase", "invalid selector: 'phase'; can't understand 'phase'"],
    [pods, "b=1,a=1", "field label not supported: a"],
    [pods, "status.phase=a=b", "invalid field selector: unescaped character in value: 61"],
    [pods, "status.phase=a\\b", "invalid field selector: invalid escape sequence: \\b"],
    [pods, "status.phase=a\\", "invalid field selector: invalid escape sequence: \\"],
    [kind("ConfigMap"), "x=1", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    [kind("Job"), "x=1", 'field label "x" not supported for Job'],
    [kind("CiliumNode", { definition: {} }), "x=1", "field label not supported: x"],
  ])("%j %s", (of, text, words) => expect(said(() => parseFieldSelector(text, of))).toBe(words));

  it("a ReplicaSet is not selected by its replicas", () => {
    const replicaSet = appsKinds.find(({ kind: name }) => name === "ReplicaSet")!;
    expect(said(() => parseFieldSelector("status.replicas=1", replicaSet))).toMatch(
      /^"status.replicas" is not a known/,
    );
  });

  it("compares with what is escaped", () => {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a,b", namespace: "c" } };
    const matches = (text: string) => parseFieldSelector(text, kind("ConfigMap"))(object);
    expect(matches("metadata.name=a\\,b,metadata.namespace!=d")).toBe(true);
    expect(matches("metadata.name!=a\\,b")).toBe(false);
    expect(matches(",metadata.namespace==c,")).toBe(true);
  });
});
