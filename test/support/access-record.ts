import type { AccessRecord } from "../../src/model/access-record.ts";

/** tiefighter's forbidden PUT, as the proxy of the Star Wars lab records it. */
export const FORBIDDEN_PUT: AccessRecord = {
  type: "request",
  verdict: "denied",
  timeMs: 1_790_294_401_234,
  direction: "ingress",
  endpointId: 871,
  sourceIdentity: 19274,
  destinationIdentity: 318,
  sourceAddress: "172.20.2.11",
  sourcePort: 59020,
  destinationAddress: "172.20.1.20",
  destinationPort: 80,
  protocol: "HTTP/1.1",
  method: "PUT",
  url: "http://deathstar.default.svc.cluster.local/v1/exhaust-port",
  status: 0,
  latencyMs: 0,
  headers: [],
  reason: "no rule matched",
};
