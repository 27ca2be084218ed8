import { copyJson, equalJson, type KubeObject } from "../object.ts";
import { asWritten } from "../schema/index.ts";
import type { SqliteStore } from "../storage/sqlite-store.ts";
import type { ResourceKind } from "./kind.ts";
import type { Registry } from "./registry.ts";

/** The object with the defaults, and in the form, of this program. */
function upToDate(kind: ResourceKind, object: KubeObject): KubeObject {
  const next = asWritten(kind, copyJson(object));
  kind.strategy.fillDefaults?.(next);
  return asWritten(kind, next);
}

/**
 * Objects that another program wrote get the fields that this one would have given them: it compares what clients send with what
 * is stored, and would take the difference for theirs (a pod whose status nobody could write). Custom kinds have their defaults
 * from their definitions. `program`: a number of 31 bits for this program, 0 = look in any case. Where nothing can be written the
 * objects stay as they are until the next start.
 */
export function bringUpToDate(store: SqliteStore, registry: Registry, program: number): void {
  if (program !== 0 && store.writer === program) return;
  // the others are views of what one of these stores
  const kinds = registry.all().filter(({ convert }) => convert === undefined);
  try {
    for (const kind of kinds)
      for (const { object, revision } of store.list(kind.storage)) {
        const next = upToDate(kind, object);
        if (!equalJson(next, object)) store.replace(kind.storage, next, revision);
      }
    if (program !== 0) store.noteWriter(program);
  } catch (error) {
    console.error(`objects of an older program stay as they are: ${(error as Error).message}`);
  }
}
