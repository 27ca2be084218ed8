import { describe, expect, it } from "vitest";
import { parseCidr } from "./cidr.ts";
import { CIDR_GROUP_NAME_PREFIX, cidrGroupLabels } from "./cidr-group-label.ts";
import { cidrLabels } from "./cidr-label.ts";
import { parseLabel, toLabels } from "./label.ts";
import {
  cidrGroupSelector,
  cidrSelector,
  fqdnSelector,
  isWildcard,
  labelSelector,
  type Requirement,
  requirement,
  selects,
  worldKeys,
} from "./selector.ts";

const labelsOf = (...texts: readonly string[]) => toLabels(texts.map(parseLabel));
const outside = (text: string) => cidrLabels(parseCidr(text)!);
const cidr = (text: string, ...except: readonly string[]) =>
  cidrSelector(
    parseCidr(text)!,
    except.map((each) => parseCidr(each)!),
  );

describe("selectors are known by their texts", () => {
  it("a prefix by its exceptions in any order", () => {
    const [a, b] = [cidr("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"), cidr("10.0.0.0/8", "10.2.0.0/16", "10.1.0.0/16")];
    expect(a.text).toBe(b.text);
    expect(a.text).not.toBe(cidr("10.0.0.0/8", "10.1.0.0/16").text);
  });

  it("a name by whether it is a pattern", () => {
    const texts = [{ matchName: "a.b" }, { matchPattern: "a.b" }, { matchPattern: "*.b" }].map(
      (name) => fqdnSelector(name).text,
    );
    expect(texts).toEqual(["fqdn:a.b,", "fqdn:,a.b", "fqdn:,*.b"]);
  });

  it("a group by requirements and exceptions in any order", () => {
    const [one, two] = [requirement("cidrgroup:a", "Exists"), requirement("cidrgroup:b", "Exists")];
    const [x, y] = ["10.1.0.0/16", "10.2.0.0/16"].map((text) => parseCidr(text)!) as [never, never];
    const text = cidrGroupSelector([one, two], [x, y]).text;
    expect(cidrGroupSelector([two, one], [y, x]).text).toBe(text);
    const others = [cidrGroupSelector([one], [x, y]), cidrGroupSelector([one, two], [x]), labelSelector([one, two])];
    for (const other of others) expect(other.text).not.toBe(text);
  });

  it("and only no requirements at all select everybody", () => {
    expect(isWildcard(cidrGroupSelector([]))).toBe(false);
    expect(isWildcard(labelSelector([requirement("a", "Exists")]))).toBe(false);
  });
});

describe("what a name selects", () => {
  it("is who has its label, of the source fqdn", () => {
    expect(selects(fqdnSelector({ matchName: "a.b" }), labelsOf("fqdn:a.b"))).toBe(true);
    expect(selects(fqdnSelector({ matchPattern: "*.b" }), labelsOf("fqdn:*.b", "reserved:world"))).toBe(true);
    expect(selects(fqdnSelector({ matchName: "a.b" }), labelsOf("fqdn:b.b", "k8s:a.b"))).toBe(false);
  });
});

describe("nodes", () => {
  it.each([
    ["reserved:host", "10.0.0.0/8", true],
    ["reserved:remote-node", "10.0.0.0/8", true],
    ["reserved:remote-node", "11.0.0.0/8", false],
    ["reserved:health", "10.0.0.0/8", false],
    ["k8s:host", "10.0.0.0/8", false],
  ])("with %s are selected by %s where prefixes match nodes: %s", (label, prefix, want) => {
    const labels = labelsOf(label, "cidr:10.1.1.1/32");
    expect(selects(cidr(prefix), labels, { cidrsMatchNodes: true })).toBe(want);
    expect(selects(cidr(prefix), labels)).toBe(false);
  });
});

describe("the world", () => {
  it("is of the one family that is enabled, or has one label for each", () => {
    expect(worldKeys(4, {})).toEqual(["world", "world-ipv4"]);
    expect(worldKeys(6, {})).toEqual(["world-ipv6"]);
    expect(worldKeys(6, { worldFamily: 6 })).toEqual(["world", "world-ipv6"]);
    expect(worldKeys(4, { worldFamily: 0 })).toEqual(["world-ipv4"]);
  });

  it.each([
    ["0.0.0.0/0", "reserved:world", true],
    ["::/0", "reserved:world", false],
    ["::/0", "reserved:world-ipv6", true],
    ["0.0.0.0/0", "reserved:world-ipv6", false],
    ["0.0.0.0/0", "k8s:world", false],
    ["10.0.0.0/8", "reserved:world", false],
  ])("%s selects %s: %s", (prefix, label, want) => {
    expect(selects(cidr(prefix), labelsOf(label))).toBe(want);
  });

  it("is left out by an exception of its prefix", () => {
    expect(selects(cidr("10.0.0.0/8", "10.1.0.0/16"), outside("10.1.2.0/24"))).toBe(false);
    expect(selects(cidr("10.0.0.0/8", "10.1.0.0/16"), outside("10.2.0.0/16"))).toBe(true);
    expect(selects(cidr("10.0.0.0/8", "0.0.0.0/0"), outside("10.2.0.0/16"))).toBe(false);
  });
});

describe("a requirement on a cidr label", () => {
  const on = (key: string, operator: Requirement["operator"], ...values: readonly string[]) =>
    selects(labelSelector([requirement(key, operator, values)]), outside("10.1.0.0/16"));

  it("is met by any prefix inside, with the empty value", () => {
    expect([on("cidr:10.0.0.0/8", "Exists"), on("cidr:10.1.0.0/24", "Exists")]).toEqual([true, false]);
    expect([on("cidr:10.0.0.0/8", "In", ""), on("cidr:10.0.0.0/8", "In", "x")]).toEqual([true, false]);
    expect([on("cidr:10.0.0.0/8", "NotIn", ""), on("cidr:11.0.0.0/8", "NotIn", "")]).toEqual([false, true]);
    expect([on("cidr:nonsense", "Exists"), on("cidr:nonsense", "DoesNotExist")]).toEqual([false, true]);
    expect(selects(labelSelector([requirement("cidr:10.0.0.0/8", "Exists")]), labelsOf("k8s:app=a"))).toBe(false);
  });
});

describe("a group", () => {
  const group = { name: "g", labels: { team: "a" }, cidrs: ["10.1.0.0/16"] };
  const labels = [...outside("10.1.0.0/16"), ...cidrGroupLabels(group)];
  const on = (key: string, operator: Requirement["operator"], ...values: readonly string[]) =>
    selects(cidrGroupSelector([requirement(`cidrgroup:${key}`, operator, values)]), labels);

  it("is found by its name and its labels, each operator in its way", () => {
    expect([on(`${CIDR_GROUP_NAME_PREFIX}g`, "Exists"), on(`${CIDR_GROUP_NAME_PREFIX}h`, "Exists")]).toEqual([
      true,
      false,
    ]);
    expect([on("team", "In", "b", "a"), on("team", "In", "b")]).toEqual([true, false]);
    expect([on("team", "NotIn", "a"), on("team", "NotIn", "b")]).toEqual([false, true]);
    expect([on(`${CIDR_GROUP_NAME_PREFIX}g`, "DoesNotExist"), on("other", "DoesNotExist")]).toEqual([false, true]);
  });

  it("selects only what is outside, and not its exceptions", () => {
    const name = requirement(`cidrgroup:${CIDR_GROUP_NAME_PREFIX}g`, "Exists");
    expect(selects(cidrGroupSelector([name]), cidrGroupLabels(group))).toBe(false);
    expect(selects(cidrGroupSelector([name], [parseCidr("10.1.0.0/20")!]), labels)).toBe(true);
    expect(selects(cidrGroupSelector([name], [parseCidr("10.0.0.0/8")!]), labels)).toBe(false);
  });
});
