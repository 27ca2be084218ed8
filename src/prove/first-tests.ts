import { Document, type Pair, type Scalar } from "yaml";
import { titleOf } from "./cluster.ts";
import type { Inventory } from "./inventory.ts";
import { type Connection, type Group, matrixOf } from "./matrix.ts";
import { isEverything, type PortReach } from "./reach.ts";
import { runTests } from "./run-tests.ts";
import { readTestFile } from "./test-file.ts";

/** Cases that are written at most. */
const MOST_CASES = 500;

type Row = readonly [from: string, to: string, expect: "allow" | "unknown"];

/**
 * A file of tests that hold what is allowed now: a row for each port by which one workload reaches another, and for each workload that is closed
 * who alone may reach it. What would not pass is left out. `manifests` are the paths that the file names.
 */
export function firstTests(inventory: Inventory, manifests: readonly string[]): string {
  const { connections } = matrixOf(inventory);
  const table = connections.flatMap(rowsOf).slice(0, MOST_CASES);
  const closed = inventory.workloads.flatMap((workload) => {
    const to = titleOf(workload);
    const coming = connections.filter((each) => isOf(each.to, to));
    // Where everybody may do everything there is nothing to hold.
    if (workload.isHostNetwork || coming.some(({ from, reach }) => from.title === "world" && isEverything(reach)))
      return [];
    const only = coming.flatMap(({ from }) => (from.namespace === "" ? [asked(from)] : from.workloads));
    return only.length === 0 ? [] : [{ name: `nobody else reaches ${to}`, to, only: [...new Set(only)] }];
  });
  const holding = (tests: readonly object[]) => tests.filter((test) => passes(inventory, [test]));
  const rows = passes(inventory, [tableOf(table)]) ? table : table.filter((row) => passes(inventory, [tableOf([row])]));
  const tests = [...(rows.length === 0 ? [] : [tableOf(rows)]), ...holding(closed)];
  return fileOf(manifests, tests);
}

function tableOf(table: readonly Row[]): object {
  return { name: "what is allowed now", table };
}

function isOf({ workloads }: Group, title: string): boolean {
  return workloads.includes(title);
}

/** How a test names somebody who is no workload. */
function asked({ title }: Group): string {
  return title === "world" || title === "node" ? `entity:${title === "node" ? "host" : title}` : title;
}

function rowsOf({ from, to, reach, missing }: Connection): Row[] {
  if (missing !== undefined || reach === "conflict" || isEverything(reach)) return [];
  if (from.workloads.length === 0 || to.workloads.length === 0) return [];
  return reach.flatMap((part): Row[] => {
    const port = portOf(part);
    if (port === undefined) return [];
    return from.workloads.flatMap((source) =>
      to.workloads
        .filter((target) => target !== source)
        .map((target): Row => [source, `${target}:${port}`, part.requests === undefined ? "allow" : "unknown"]),
    );
  });
}

/** The first port of a range stands for it; undefined = there is no port to ask for. */
function portOf({ protocol, first, last }: PortReach): string | undefined {
  const isPort = ["TCP", "UDP", "SCTP"].includes(protocol) && last > 0;
  if (!isPort) return undefined;
  return `${Math.max(first, 1)}${protocol === "TCP" ? "" : `/${protocol.toLowerCase()}`}`;
}

function passes(inventory: Inventory, tests: readonly object[]): boolean {
  const read = readTestFile({ file: "new", text: JSON.stringify({ tests }) });
  return (
    read.problems.length === 0 && runTests(inventory, read.tests).results.every(({ outcome }) => outcome === "passed")
  );
}

/** A row of a table on a line of its own. */
function fileOf(manifests: readonly string[], tests: readonly object[]): string {
  // Read as YAML 1.1, where a dot or a y alone is no text.
  const document = new Document({ ...(manifests.length === 0 ? {} : { manifests }), tests }, { version: "1.1" });
  document.commentBefore =
    " What is allowed now, written by `shieldgate policy test --init`: take out what should not be so.\n unknown = it hangs on the request; give it with http, dns or sni.";
  const flow = (node: unknown) => {
    const { items } = node as { items?: unknown[] };
    for (const item of items ?? []) (item as { flow?: boolean }).flow = true;
  };
  flow({ items: [document.get("manifests", true)].filter((node) => node !== undefined) });
  for (const test of (document.get("tests", true) as { items: { items: Pair<Scalar, unknown>[] }[] }).items)
    for (const { key, value } of test.items) if (key.value === "table") flow(value);
  return document.toString({ lineWidth: 0 });
}
