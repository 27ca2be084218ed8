import { type Answer, type ApiCall, ApiError } from "./request.ts";

/** Parts of Cilium that are not here: the status that its API has for that, and what to do instead. */
const ABSENT: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  prefilter: [500, "there is no prefilter here: deny ranges by a policy with fromCIDRSet"],
  "cgroup-dump-metadata": [500, "sockets are not followed by control group here: `endpoint list` shows the pods"],
  bgp: [501, "there is no BGP control plane here"],
};

/** Answers for what Cilium has and this agent has not. Local redirect policies are kinds that no lab has: there are none. */
export function absentRoutes(subject: string, call: ApiCall): Answer {
  if (subject === "lrp" && call.method === "GET") return [200, []];
  const [status, reason] = ABSENT[subject] ?? [404, `no such path: /v1/${[subject, ...call.rest].join("/")}`];
  throw new ApiError(status, reason);
}
