import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";

/** What a world or a case may say of the scenario: all but the policies and the queries. */
type Surroundings = Partial<Omit<Scenario, "id" | "policies" | "queries">>;

interface WrittenPolicy {
  /** Absent = CiliumNetworkPolicy. */
  readonly kind?: string;
  /** Absent = `policy-<index>`. */
  readonly name?: string;
  /** Absent = `default`, in a kind that has namespaces. */
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: unknown;
  readonly specs?: unknown;
}

export interface ConformanceCase extends Surroundings {
  readonly note: string;
  /** The reason of the expectation, where the note does not say it. */
  readonly why?: string;
  /** Where the expectation comes from; absent = as the file says. */
  readonly source?: string;
  /** Cilium's own engine answers otherwise; `why` says why we do not follow. */
  readonly upstreamDiffers?: boolean;
  readonly world?: string;
  /** Objects in the short form above, or YAML text as it stands. */
  readonly policies: readonly (WrittenPolicy | string)[];
  /** A part of the message with which a policy is refused. */
  readonly invalid?: string;
  /** `from -> to PROTOCOL PORT [facts] = verdict [checks]` */
  readonly flows?: readonly string[];
}

/** A file of test/conformance/cases. */
export interface CaseFile {
  readonly about: string;
  readonly source: string;
  readonly world: string;
  readonly cases: readonly ConformanceCase[];
}

export interface ExpectedFlow {
  readonly text: string;
  readonly query: ScenarioQuery;
  readonly want: string;
  /** Words after the verdict: a match type, `auth=<type>`, `unenforced`. */
  readonly checks: readonly string[];
}

export interface LoadedFile {
  readonly name: string;
  readonly cases: readonly { readonly case: ConformanceCase; readonly scenario: Scenario }[];
}

const FOLDER = join(import.meta.dirname, "../conformance");

/** Every file of cases, each case with its scenario. Throws on a world that does not exist. */
export function readConformance(): LoadedFile[] {
  const worlds = parse(readFileSync(join(FOLDER, "worlds.yaml"), "utf8")) as Record<string, Surroundings>;
  const folder = join(FOLDER, "cases");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => {
      const file = parse(readFileSync(join(folder, name), "utf8")) as CaseFile;
      return {
        name,
        cases: file.cases.map((each) => ({ case: each, scenario: scenarioOf(name, file, each, worlds) })),
      };
    });
}

function scenarioOf(
  name: string,
  file: CaseFile,
  each: ConformanceCase,
  worlds: Readonly<Record<string, Surroundings>>,
): Scenario {
  const world = worlds[each.world ?? file.world];
  if (world === undefined) throw new Error(`${name}: no world is called ${each.world ?? file.world}`);
  const { cidrLabels, fqdnCache, hostLabels, services, secrets } = { ...world, ...each };
  const given = { cidrLabels, fqdnCache, hostLabels, services, secrets };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    id: `${name}: ${each.note}`,
    config: { ...world.config, ...each.config },
    endpoints: [...(world.endpoints ?? []), ...(each.endpoints ?? [])],
    policies: each.policies.map(policyObject),
    queries: expectedFlows(each).map(({ query }) => query),
  };
}

const API_VERSIONS: Readonly<Record<string, string>> = {
  NetworkPolicy: "networking.k8s.io/v1",
  ClusterNetworkPolicy: "policy.networking.k8s.io/v1alpha2",
};

function policyObject(policy: WrittenPolicy | string, index: number): unknown {
  if (typeof policy === "string") return policy;
  const { kind = "CiliumNetworkPolicy", name = `policy-${index}`, namespace = "default", labels, ...rest } = policy;
  const isNamespaced = kind === "CiliumNetworkPolicy" || kind === "NetworkPolicy";
  const metadata = { name, ...(isNamespaced ? { namespace } : {}), ...(labels === undefined ? {} : { labels }) };
  return { apiVersion: API_VERSIONS[kind] ?? "cilium.io/v2", kind, metadata, ...rest };
}

const FLOW = /^(\S+) -> (\S+) (\w+) (\w[-\w]*)((?: \S+)*?) = ([a-z]+)((?: \S+)*)$/;
const VERDICTS = ["allowed", "denied", "redirect", "forwarded", "refused", "error", "unknown"];

/** Throws on a flow that is not written as the README says. */
export function expectedFlows({ flows = [] }: ConformanceCase): ExpectedFlow[] {
  return flows.map((text, index) => {
    const found = FLOW.exec(text);
    const [, from, to, proto, port, facts, want, checks] = found ?? [];
    if (found === null || !VERDICTS.includes(want!)) throw new Error(`not a flow: ${text}`);
    const number = /^[0-9]+$/.test(port!) ? Number(port) : port!;
    const end = { id: `${index}`, direction: "both", from: from!, to: to!, proto: proto!, port: number } as const;
    return { text, want: want!, checks: wordsOf(checks!), query: { ...end, ...factsOf(wordsOf(facts!), text) } };
  });
}

function wordsOf(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** `METHOD PATH`, then `host=…`, `Header:value`, `dns=…`, `sni=…`, in any number. */
function factsOf(words: readonly string[], text: string): Pick<ScenarioQuery, "http" | "dns" | "sni"> {
  const isHttp = /^[A-Z]+$/.test(words[0] ?? "");
  const facts: { dns?: string; sni?: string } = {};
  const request: { host: string; headers: Record<string, string> } = { host: "server", headers: {} };
  for (const word of isHttp ? words.slice(2) : words) {
    const [, key, mark, value] = /^([-\w]+)([=:])(.*)$/.exec(word) ?? [];
    if (mark === ":" && isHttp) request.headers[key!] = value!;
    else if (key === "host" && isHttp) request.host = value!;
    else if (key === "dns" || key === "sni") facts[key] = value!;
    else throw new Error(`not a fact: ${word} in ${text}`);
  }
  return isHttp ? { ...facts, http: { method: words[0]!, path: words[1]!, ...request } } : facts;
}
