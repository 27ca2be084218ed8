import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MAP_CAPACITY } from "./port.ts";

test("the capacities are those of the maps", () => {
  const maps = readFileSync(new URL("../../bpf/lib/maps.h", import.meta.url), "utf8");
  for (const [name, capacity] of Object.entries(MAP_CAPACITY)) {
    const entries = new RegExp(`PINNED\\(\\w+, (\\d+),[^;]*;[^}]*\\} sg_${name} SEC`).exec(maps)?.[1];
    expect(Number(entries), name).toBe(capacity);
  }
});
