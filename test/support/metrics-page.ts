import type { Registry } from "../../src/metrics/index.ts";
import { DASHBOARDS } from "./metrics-dashboards.ts";

const NO_KVSTORE = "there is no kvstore; an agent of Cilium's without one does not serve it either";
/** Why a metric that a dashboard asks for is not there. */
export const NOT_SERVED: Readonly<Record<string, string>> = {
  cilium_kvstore_events_queue_seconds_count: NO_KVSTORE,
  cilium_kvstore_operations_duration_seconds_count: NO_KVSTORE,
  cilium_kvstore_operations_duration_seconds_sum: NO_KVSTORE,
  kvstore_operations_total: "there is no kvstore, and no agent of today's has this name",
};

/** One who serves metrics: its port, and all that it can serve. */
export interface MetricsPort {
  readonly title: string;
  readonly registries: readonly Registry[];
}

interface Known {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

function familiesOf({ registries }: MetricsPort): readonly Known[] {
  const found = new Map<string, Known>();
  for (const registry of registries) for (const family of registry.families()) found.set(family.name, family);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The family that a query's name belongs to. */
export function familyName(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, "");
}

function isServed(name: string, families: ReadonlySet<string>): boolean {
  return families.has(name) || families.has(familyName(name));
}

function dashboardRows(families: ReadonlySet<string>): string[] {
  return Object.entries(DASHBOARDS).flatMap(([dashboard, names]) => {
    const missing = names.filter((name) => !isServed(name, families));
    const unexplained = missing.filter((name) => NOT_SERVED[name] === undefined);
    if (unexplained.length > 0) throw new Error(`no reason why these are not served: ${unexplained.join(", ")}`);
    return [
      `**${dashboard}**: ${names.length - missing.length} of ${names.length}.`,
      "",
      ...names.map((name) => `- ${isServed(name, families) ? "yes" : "no "} \`${name}\`${reason(name, missing)}`),
      "",
    ];
  });
}

function reason(name: string, missing: readonly string[]): string {
  return missing.includes(name) ? `: ${NOT_SERVED[name]}` : "";
}

/** `docs/metrics.md`, but for its beginning, which is written by hand. Throws for a reason that is not needed any more. */
export function metricsPage(beginning: string, ports: readonly MetricsPort[]): string {
  const families = new Set(ports.flatMap((port) => familiesOf(port).map(({ name }) => name)));
  const stale = Object.keys(NOT_SERVED).filter((name) => isServed(name, families));
  if (stale.length > 0) throw new Error(`served, although there is a reason why not: ${stale.join(", ")}`);
  const lists = ports.flatMap((port) => [
    `### ${port.title}`,
    "",
    ...familiesOf(port).map(({ name, type, labels }) => {
      const shown = labels.length === 0 ? "" : ` {${labels.join(", ")}}`;
      return `- \`${name}${shown}\` ${type}`;
    }),
    "",
  ]);
  return [
    beginning.trimEnd(),
    "",
    "## What published dashboards ask for",
    "",
    ...dashboardRows(families),
    "## Everything that is served",
    "",
    ...lists,
  ].join("\n");
}
