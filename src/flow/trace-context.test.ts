import { expect, it } from "vitest";
import { FORBIDDEN_PUT } from "../../test/support/access-record.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { TraceContexts } from "./trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceparent = { name: "traceparent", value: `00-${TRACE}-b7ad6b7169203331-01` };
const request = (init: Partial<AccessRecord> = {}): AccessRecord => ({ ...FORBIDDEN_PUT, ...init });
const response = (init: Partial<AccessRecord> = {}): AccessRecord => request({ type: "response", ...init });

it("gives an answer on a connection of HTTP/1 the trace of the request before it, once", () => {
  const traces = new TraceContexts();
  expect(traces.idOf(request({ headers: [traceparent] }))).toBe(TRACE);
  expect(traces.idOf(response({ sourcePort: 1 }))).toBe("");
  expect(traces.idOf(response())).toBe(TRACE);
  expect(traces.idOf(response())).toBe("");
});

it("does not give an answer the trace of an earlier request", () => {
  const traces = new TraceContexts();
  traces.idOf(request({ headers: [traceparent] }));
  traces.idOf(request());
  expect(traces.idOf(response())).toBe("");
});

it("goes by the request's id where there is one, and tells nothing of HTTP/2 without", () => {
  const traces = new TraceContexts();
  const id = { name: "X-Request-Id", value: "r1" };
  traces.idOf(request({ protocol: "HTTP/2", headers: [traceparent, id] }));
  traces.idOf(request({ protocol: "HTTP/2", headers: [traceparent] }));
  expect(traces.idOf(response({ protocol: "HTTP/2" }))).toBe("");
  expect(traces.idOf(response({ protocol: "HTTP/2", headers: [id] }))).toBe(TRACE);
});

it("remembers so many requests and no more", () => {
  const traces = new TraceContexts();
  for (let sourcePort = 0; sourcePort <= 10_000; sourcePort++)
    traces.idOf(request({ sourcePort, headers: [traceparent] }));
  expect(traces.idOf(response({ sourcePort: 0 }))).toBe("");
  expect(traces.idOf(response({ sourcePort: 1 }))).toBe(TRACE);
});
