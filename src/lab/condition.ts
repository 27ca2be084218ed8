import { existsSync } from "node:fs";
import { isAlive } from "../runtime/process/process-table.ts";
import { madeNodes } from "./configuration.ts";
import { isMounted } from "./file-systems.ts";
import { labNamespaces } from "./network.ts";
import { type LabPaths, nodeNetns } from "./paths.ts";
import { readPorts } from "./ports.ts";
import { readRecord } from "./process-record.ts";
import type { LabSettings } from "./settings.ts";

/** What there is of a lab: nothing, all of it, or something with something missing. */
export type Found = "nothing" | "running" | "damaged";

/** Looks at the machine. A node that is half added or half removed is damage. */
export function look(paths: LabPaths, settings: LabSettings): Found {
  const supervised = isAlive(readRecord(paths, "supervisor"));
  const isComplete =
    madeNodes(paths, settings).length === settings.nodes.length && (settings.leaving ?? []).length === 0;
  if (supervised && isComplete && networkIsWhole(paths, settings)) return "running";
  return supervised || existsSync(paths.run) ? "damaged" : "nothing";
}

/** True when the fabric and each node that was ever made have what processes run in. */
export function networkIsWhole(paths: LabPaths, settings: LabSettings): boolean {
  const present = new Set(labNamespaces(paths));
  const made = madeNodes(paths, settings).map((node) => nodeNetns(paths.lab, node.name));
  const isThere = made.length > 0 && [paths.fabricNetns, ...made].every((name) => present.has(name));
  return isThere && isMounted(paths.bpf) && readPorts(paths) !== undefined;
}
