import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import type { ScenarioEndpoint } from "../../src/policy/scenario-world.ts";

interface WrittenPolicy {
  /** Empty = clusterwide; absent = `default`. */
  readonly namespace?: string;
  readonly spec?: unknown;
  readonly specs?: unknown;
}

export interface ConformanceCase {
  readonly note: string;
  readonly policies: readonly WrittenPolicy[];
  /** A part of the message with which the policy is refused. */
  readonly invalid?: string;
  /** `from -> to PROTOCOL PORT [METHOD PATH] = verdict [match type]` */
  readonly flows?: readonly string[];
}

/** A file of test/conformance: who exists, and for each case the policies and what must become of the flows. */
export interface CaseFile {
  readonly about: string;
  readonly endpoints: readonly ScenarioEndpoint[];
  readonly cases: readonly ConformanceCase[];
}

export interface ExpectedFlow {
  readonly text: string;
  readonly query: ScenarioQuery;
  readonly want: string;
  readonly match: string | undefined;
}

const FLOW =
  /^(\S+) -> (\S+) (\w+) (\d+)(?: ([A-Z]+) (\S+))? = (allowed|denied|redirect|forwarded|refused)(?: (\S+))?$/;

/** Throws on a flow that is not written in the form above. */
export function expectedFlows({ flows = [] }: ConformanceCase): ExpectedFlow[] {
  return flows.map((text, index) => {
    const found = FLOW.exec(text);
    if (found === null) throw new Error(`not a flow: ${text}`);
    const [, from, to, proto, port, method, path, want, match] = found;
    const http = method === undefined ? {} : { http: { method, path: path!, host: "server" } };
    return {
      text,
      want: want!,
      match,
      query: { id: `${index}`, direction: "both", from: from!, to: to!, proto: proto!, port: Number(port), ...http },
    };
  });
}

function policyObject({ namespace = "default", ...rest }: WrittenPolicy, index: number): unknown {
  const kind = namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy";
  const metadata = { name: `policy-${index}`, ...(namespace === "" ? {} : { namespace }) };
  return { apiVersion: "cilium.io/v2", kind, metadata, ...rest };
}

/** One scenario for each case, in the order of the file. */
export function scenariosOf(name: string, { endpoints, cases }: CaseFile): Scenario[] {
  return cases.map((each, index) => ({
    id: `${name} ${index}`,
    endpoints,
    policies: each.policies.map(policyObject),
    queries: expectedFlows(each).map(({ query }) => query),
  }));
}
