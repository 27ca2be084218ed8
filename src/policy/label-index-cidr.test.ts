import { expect, it } from "vitest";
import { parseCidr } from "../model/cidr.ts";
import { cidrLabels } from "../model/cidr-label.ts";
import { labelSelector, type Requirement, requirement, selects } from "../model/selector.ts";
import { SelectorCache } from "./selector-cache.ts";

const INSIDE = cidrLabels(parseCidr("10.1.0.0/16")!);
const OUTSIDE = cidrLabels(parseCidr("11.0.0.0/8")!);

it.each<[Requirement["operator"], readonly string[], readonly number[]]>([
  ["Exists", [], [1]],
  ["DoesNotExist", [], [2]],
  ["In", [""], [1]],
  ["In", ["x"], []],
  ["In", ["", "x"], [1]],
  ["NotIn", [""], [2]],
  ["NotIn", ["x"], [1, 2]],
])("a cidr label with %s %j selects %j, in the cache as by itself", (operator, values, want) => {
  const selector = labelSelector([requirement("cidr:10.0.0.0/8", operator, values)]);
  const cache = new SelectorCache();
  cache.upsertIdentity(1, INSIDE);
  cache.upsertIdentity(2, OUTSIDE);
  expect([...cache.select(selector)]).toEqual(want);
  expect([INSIDE, OUTSIDE].flatMap((labels, index) => (selects(selector, labels) ? [index + 1] : []))).toEqual(want);
});
