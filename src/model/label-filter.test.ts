import { describe, expect, it } from "vitest";
import { parseLabel } from "./label.ts";
import { isSecurityRelevant, parseLabelFilter } from "./label-filter.ts";

describe("the default filter", () => {
  it.each([
    ["k8s:app", true],
    ["k8s:host", true],
    ["k8s:app.kubernetes.io/name", true],
    ["k8s:io.kubernetes.pod.namespace", true],
    ["k8s:io.kubernetes.pod.name", false],
    ["k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", true],
    ["k8s:kubernetes.io/os", false],
    ["k8s:ioXkubernetes", true],
    ["k8s:k8s.io/x", false],
    ["k8s:topology.kubernetes.io/zone", false],
    ["k8s:failure-domain.beta.kubernetes.io/zone", false],
    ["k8s:statefulset.kubernetes.io/pod-name", false],
    ["k8s:apps.kubernetes.io/pod-index", false],
    ["k8s:batch.kubernetes.io/job-completion-index", false],
    ["k8s:batch.kubernetes.io/controller-uid", false],
    ["k8s:batch.kubernetes.io/job-name", true],
    ["k8s:controller-uid", false],
    ["k8s:controller-revision-hash", false],
    ["k8s:pod-template-generation", false],
    ["k8s:my-pod-template-hash", true],
    ["k8s:pod-template-hash", false],
    ["k8s:etcd_node", false],
    ["k8s:annotation.x", false],
    // The longest included match must be longer than the shortest excluded one.
    ["k8s:app.kubernetes.io/beta.kubernetes.io", false],
    ["k8s:io.kubernetes.pod.namespace.beta.kubernetes.io", true],
    ["reserved:host", true],
    ["reserved:annotation", false],
    ["any:", true],
  ])("%s: %s", (label, want) => {
    expect(isSecurityRelevant(parseLabel(label))).toBe(want);
    expect(isSecurityRelevant(parseLabel(label), parseLabelFilter([""]))).toBe(want);
  });
});

describe("a filter with patterns", () => {
  it.each<[readonly string[], string, boolean]>([
    // One that includes makes a whitelist, to which the defaults still belong.
    [["k8s:team"], "k8s:team-a", true],
    [["k8s:team"], "k8s:app", false],
    [["k8s:team"], "k8s:my-team", false],
    [["k8s:team"], "cni:team-a", false],
    [["k8s:team"], "k8s:io.kubernetes.pod.namespace", true],
    [["k8s:team"], "k8s:io.kubernetes.pod.name", false],
    [["k8s:team"], "reserved:host", true],
    [[":team"], "cni:team-a", true],
    [["!team"], "k8s:app", true],
    [["!team"], "k8s:team", false],
    [["k8s:!team"], "cni:team", true],
    // Nobody is spared, not even Cilium's own labels.
    [["!host"], "reserved:host", false],
    [["k8s:!host"], "reserved:host", true],
    [["!io.cilium.k8s.policy.cluster"], "k8s:io.cilium.k8s.policy.cluster", false],
    // A longer match beats a shorter one, whatever the order.
    [["!tea", "team"], "k8s:team", true],
    [["team", "!tea"], "k8s:team", true],
    [["tea", "!team"], "k8s:team", false],
    [["team", "t", "!te"], "k8s:team", true],
    [["!team.*", "!tea", "team"], "k8s:team-a", true],
    [["pod-template-hash.*"], "k8s:pod-template-hash-1", true],
    [["pod-template-hash"], "k8s:pod-template-hash", false],
    // Expressions: the first alternative wins, `$` ends the key, `.` is any character.
    [["(te|team)", "!tea"], "k8s:team", false],
    [["(team|te)", "!tea"], "k8s:team", true],
    [["kind$"], "k8s:kind", true],
    [["kind$"], "k8s:kinds", false],
    [["a.c"], "k8s:abc", true],
    [[":(?:red|blue)"], "k8s:blue", true],
    [["k8s:(?i)TEAM"], "k8s:team", true],
    // An excluding match of nothing undoes those before it, and only those.
    [["!x*"], "k8s:pod-template-hash", true],
    [["!x*", "!pod"], "k8s:pod-template-hash", false],
    [["x*"], "k8s:app", false],
  ])("%j, %s: %s", (patterns, label, want) => {
    expect(isSecurityRelevant(parseLabel(label), parseLabelFilter(patterns))).toBe(want);
  });

  it.each([
    ["k8s:", 'label pattern "k8s:": no expression; write how the keys begin, such as k8s:app'],
    ["!", 'label pattern "!": no expression; write how the keys begin, such as k8s:app'],
    ["!k8s:app", 'label pattern "!k8s:app": "!" stands behind the source; write k8s:!app'],
    ["(?:a|b)", 'label pattern "(?:a|b)": "(?" is no source; write :(?:a|b) if the colon is part of the expression'],
    ["![[:alpha:]]", /: "!\[\[" is no source; write :!\[\[:alpha:\]\] if the colon/],
    ["a(", /^label pattern "a\(": .*missing closing \).*; write an RE2 expression$/],
    ["(?=a)", /^label pattern "\(\?=a\)": .*; write .*/],
    ["a".repeat(1_025), /: longer than 1024 characters; write several patterns$/],
    ["k8s:(abcdefghij){999}", /: counted repeats make it larger than 5000 instructions; write smaller counts$/],
  ])("refuses %s", (pattern, message) => {
    expect(() => parseLabelFilter(["k8s:fine", pattern])).toThrow(message);
  });

  it("matches in linear time", () => {
    const filter = parseLabelFilter(["!(a|a)*b"]);
    expect(isSecurityRelevant({ source: "k8s", key: "a".repeat(20_000), value: "" }, filter)).toBe(true);
  });
});
