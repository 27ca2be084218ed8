import { describe, expect, it } from "vitest";
import { parseCidr } from "./cidr.ts";
import { cidrLabels } from "./cidr-label.ts";
import { parseLabel, toLabels } from "./label.ts";
import { cidrSelector, isWildcard, labelSelector, requirement, selects, WILDCARD } from "./selector.ts";

const labels = toLabels(["k8s:app=web", "k8s:tier", "reserved:host"].map(parseLabel));

describe("label selector", () => {
  it.each([
    [[requirement("app", "In", ["web"])], true],
    [[requirement("k8s:app", "In", ["api", "web"])], true],
    [[requirement("container:app", "In", ["web"])], false],
    [[requirement("app", "NotIn", ["web"])], false],
    [[requirement("nothing", "NotIn", ["web"])], true],
    [[requirement("tier", "Exists")], true],
    [[requirement("tier", "In", [""])], true],
    [[requirement("nothing", "DoesNotExist")], true],
    [[requirement("reserved:host", "DoesNotExist")], false],
    [[requirement("$host", "Exists")], true],
    [[requirement("app", "Exists"), requirement("nothing", "Exists")], false],
  ])("%j: %s", (requirements, want) => {
    expect(selects(labelSelector(requirements), labels)).toBe(want);
  });

  it("selects everybody without requirements, and is known by its text", () => {
    expect(selects(WILDCARD, labels)).toBe(true);
    expect(isWildcard(labelSelector([]))).toBe(true);
    const [a, b] = [requirement("a", "In", ["2", "1"]), requirement("k8s:b", "Exists")];
    expect(labelSelector([a, b]).text).toBe(labelSelector([b, requirement("a", "In", ["1", "2"])]).text);
  });
});

describe("CIDR selector", () => {
  const outside = (text: string) => cidrLabels(parseCidr(text)!);
  const selector = cidrSelector(parseCidr("10.0.0.0/8")!, [parseCidr("10.96.0.0/12")!]);

  it.each([
    ["10.0.0.0/8", true],
    ["10.1.0.0/16", true],
    ["10.96.0.0/12", false],
    ["10.97.1.1/32", false],
    ["11.0.0.0/8", false],
    ["0.0.0.0/0", false],
  ])("the identity of %s: %s", (text, want) => {
    expect(selects(selector, outside(text))).toBe(want);
  });

  it("never selects what is in the cluster", () => {
    const inside = toLabels(["cidr:10.1.1.1/32", "reserved:remote-node"].map(parseLabel));
    expect(selects(selector, inside)).toBe(false);
  });

  it("with length 0 selects the world, whose labels name no prefix", () => {
    expect(selects(cidrSelector(parseCidr("0.0.0.0/0")!), outside("0.0.0.0/0"))).toBe(true);
    expect(selects(cidrSelector(parseCidr("0.0.0.0/0")!), outside("10.1.0.0/16"))).toBe(true);
    const pod = toLabels(["k8s:world", "k8s:world-ipv4"].map(parseLabel));
    expect(selects(cidrSelector(parseCidr("0.0.0.0/0")!), pod)).toBe(false);
    const named = [...cidrLabels(parseCidr("2001:db8::/32")!, true), parseLabel("cidrgroup:world-ipv4")];
    expect(selects(cidrSelector(parseCidr("0.0.0.0/0")!), toLabels(named))).toBe(false);
    const dual = cidrLabels(parseCidr("10.1.0.0/16")!, true);
    expect(selects(cidrSelector(parseCidr("::/0")!), dual)).toBe(false);
  });

  it("is met by a selector on a containing cidr label", () => {
    expect(selects(labelSelector([requirement("cidr:10.0.0.0/8", "Exists")]), outside("10.1.0.0/16"))).toBe(true);
  });
});
