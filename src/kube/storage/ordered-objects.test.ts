import fc from "fast-check";
import { expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import { OrderedObjects } from "./ordered-objects.ts";

const stored = (name: string) => ({ object: { metadata: { name } } as KubeObject, json: name, revision: 1 });

it("lists what sorting would, whatever came and went before", () => {
  const key = fc.stringMatching(/^[ab-]{0,2}\/[ab-]{1,2}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), key), { maxLength: 60 }), (changes) => {
      const objects = new OrderedObjects();
      const held = new Set<string>();
      for (const [comes, text] of changes) {
        if (comes) {
          objects.set(text, stored(text));
          held.add(text);
        } else {
          objects.delete(text);
          held.delete(text);
        }
      }
      const sorted = [...held].sort();
      expect(objects.all().map(({ json }) => json)).toEqual(sorted);
      for (const namespace of ["", "a", "a-"])
        expect(objects.of(namespace).map(({ json }) => json)).toEqual(
          sorted.filter((text) => text.startsWith(`${namespace}/`)),
        );
    }),
  );
});
