import { type Fields, fieldsOf, type KubeObject } from "../../object.ts";
import { setDefault } from "../defaults/pod.ts";
import { declareKind, type ResourceKind, type Strategy } from "../kind.ts";

const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));

function eventFields(event: KubeObject): Record<string, string> {
  const about = fieldsOf(event.involvedObject ?? event.regarding);
  const source = fieldsOf(event.source ?? event.deprecatedSource);
  const named = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
  return {
    ...Object.fromEntries(named.map((field) => [`involvedObject.${field}`, text(about[field])])),
    ...Object.fromEntries(named.map((field) => [`regarding.${field}`, text(about[field])])),
    reason: text(event.reason),
    reportingComponent: text(event.reportingComponent ?? event.reportingController) || text(source.component),
    source: text(source.component) || text(event.reportingComponent ?? event.reportingController),
    type: text(event.type),
  };
}

const strategy: Strategy = { selectable: eventFields };

/** Events of the core group; events.k8s.io shows the same objects in its own words. */
export const coreEvents: ResourceKind = declareKind({
  group: "",
  version: "v1",
  kind: "Event",
  resource: "events",
  namespaced: true,
  shortNames: ["ev"],
  createsOnUpdate: true,
  strategy,
});

/** Core field names beside those of events.k8s.io. */
const NAMES: readonly (readonly [core: string, newer: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];

function renamed(object: Fields, from: 0 | 1, apiVersion: string): KubeObject {
  const to = from === 0 ? 1 : 0;
  const names = new Map(NAMES.map((pair) => [pair[from] as string, pair[to] as string]));
  const entries = Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]);
  return { ...Object.fromEntries(entries), apiVersion } as KubeObject;
}

/** events.k8s.io/v1. */
export const newerEvents: ResourceKind = declareKind({
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  resource: "events",
  namespaced: true,
  shortNames: ["ev"],
  storage: coreEvents.storage,
  createsOnUpdate: true,
  strategy: { ...strategy, fillDefaults: (event) => setDefault(event, "regarding", {}) },
  convert: {
    toStored: (object) => renamed(object, 1, "v1"),
    fromStored: (object) => renamed(object, 0, "events.k8s.io/v1"),
  },
});
