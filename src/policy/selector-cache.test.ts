import fc from "fast-check";
import { expect, it } from "vitest";
import { parseCidr } from "../model/cidr.ts";
import { cidrLabels } from "../model/cidr-label.ts";
import { parseLabel, toLabels } from "../model/label.ts";
import { cidrSelector, labelSelector, requirement, type Selector, selects, WILDCARD } from "../model/selector.ts";
import { SelectorCache } from "./selector-cache.ts";

const selectors: readonly Selector[] = [
  WILDCARD,
  labelSelector([requirement("a", "In", ["1"])]),
  labelSelector([requirement("k8s:a", "In", ["1"]), requirement("k8s:io.kubernetes.pod.namespace", "In", ["x"])]),
  labelSelector([requirement("a", "In", ["1", "2"])]),
  labelSelector([requirement("a", "NotIn", ["1"])]),
  labelSelector([requirement("b", "Exists"), requirement("a", "DoesNotExist")]),
  labelSelector([requirement("cidr:10.0.0.0/8", "Exists")]),
  labelSelector([requirement("reserved:world", "In", [""])]),
  cidrSelector(parseCidr("10.0.0.0/8")!, [parseCidr("10.1.0.0/16")!]),
  cidrSelector(parseCidr("0.0.0.0/0")!),
];

const labels = fc.oneof(
  fc
    .subarray(["k8s:a=1", "k8s:a=2", "any:a=1", "k8s:b=1", "k8s:io.kubernetes.pod.namespace=x"])
    .map((texts) => toLabels(texts.map(parseLabel))),
  fc
    .constantFrom("10.0.0.0/8", "10.1.2.0/24", "10.2.0.0/16", "8.8.8.8/32", "0.0.0.0/0")
    .map((text) => cidrLabels(parseCidr(text)!)),
);
const step = fc.oneof(
  fc.record({ kind: fc.constant("upsert" as const), id: fc.integer({ min: 1, max: 8 }), labels }),
  fc.record({ kind: fc.constant("remove" as const), id: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("select" as const), index: fc.nat(selectors.length - 1) }),
);

it("selects at every moment what a fresh comparison of all identities would", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const cache = new SelectorCache();
      const known = new Map<number, ReturnType<typeof toLabels>>();
      for (const each of steps) {
        if (each.kind === "upsert") {
          cache.upsertIdentity(each.id, each.labels);
          known.set(each.id, each.labels);
        } else if (each.kind === "remove") {
          cache.removeIdentity(each.id);
          known.delete(each.id);
        } else cache.select(selectors[each.index]!);
      }
      for (const selector of selectors) {
        const want = [...known].filter(([, has]) => selects(selector, has)).map(([id]) => id);
        expect([...cache.select(selector)].sort()).toEqual(want.sort());
      }
    }),
  );
});
