import { describe, expect, it } from "vitest";
import { asWritten } from "./written.ts";

const POD = { group: "", version: "v1", kind: "Pod" };
const ROLE = { group: "rbac.authorization.k8s.io", version: "v1", kind: "Role" };
const EVENT = { group: "", version: "v1", kind: "Event" };

describe("asWritten", () => {
  it("leaves out what is empty, and keeps a zero that was pointed at", () => {
    const spec = { hostname: "", nodeSelector: {}, tolerations: [], terminationGracePeriodSeconds: 0, containers: [] };
    const pod = asWritten(POD, { metadata: { labels: {}, name: "p", generation: 0 }, spec });
    expect(pod).toEqual({
      metadata: { name: "p" },
      spec: { terminationGracePeriodSeconds: 0, containers: null },
      status: {},
    });
  });

  it("has structs and times that are always there", () => {
    const pod = asWritten(POD, { metadata: {}, spec: { containers: [{ image: "i", args: null }] } });
    expect(pod.spec).toEqual({ containers: [{ image: "i", name: "", resources: {} }] });
    expect(asWritten(ROLE, { metadata: {} })).toEqual({ metadata: {}, rules: null });
    expect(asWritten(EVENT, { metadata: {} })).toMatchObject({ involvedObject: {}, firstTimestamp: null, source: {} });
  });

  it("touches of a custom kind the metadata only", () => {
    const widget = { metadata: { labels: {}, name: "w" }, spec: { parts: [], note: "" } };
    expect(asWritten({ group: "example.com", version: "v1", kind: "Widget" }, widget)).toEqual({
      metadata: { name: "w" },
      spec: { parts: [], note: "" },
    });
  });
});
