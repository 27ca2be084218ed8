import { formatLabels } from "../../src/model/label.ts";
import { protocolNumber } from "../../src/model/protocol.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { type Answer, evaluateScenario, type Scenario, type ScenarioQuery } from "../../src/policy/scenario.ts";
import { ScenarioPolicies } from "../../src/policy/scenario-policies.ts";

/** The flows that Hubble would have shown of a scenario's connections. */

interface End {
  readonly address: string;
  readonly labels: readonly string[];
  readonly names: readonly string[];
}

/** Of whoever has none in the scenario. */
const SOME_ADDRESS = "203.0.113.250";

/** A packet of the world comes from an address, which prefixes of policies may hold. */
function seen(name: string): string {
  return name === "reserved:world" || name === "reserved:world-ipv4" ? SOME_ADDRESS : name;
}

/** Undefined = such a query cannot be recorded: nobody is called that, or the port has no number. */
export function connectionOf(scenario: Scenario, asked: ScenarioQuery): Connection | undefined {
  const { world } = new ScenarioPolicies(scenario);
  const query = { ...asked, from: seen(asked.from), to: seen(asked.to) };
  const [from, to] = [world.find(query.from), world.find(query.to)];
  const protocol = protocolNumber(query.proto ?? "TCP");
  if (from === undefined || to === undefined || protocol === undefined || typeof query.port !== "number")
    return undefined;
  const end = (name: string, labels: readonly string[]): End => {
    const address = /^[0-9a-f.:]+$/.test(name) && !name.startsWith("reserved") ? name : SOME_ADDRESS;
    const cache = Object.entries(scenario.fqdnCache ?? {});
    return { address, labels, names: cache.flatMap(([known, all]) => (all.includes(address) ? [known] : [])) };
  };
  return {
    query: { ...query, direction: "both" },
    source: end(query.from, formatLabels(from.labels)),
    destination: end(query.to, formatLabels(to.labels)),
    subjects: [from.isEndpoint ? "egress" : undefined, to.isEndpoint ? "ingress" : undefined].filter(
      (side): side is Direction => side !== undefined,
    ),
  };
}

export interface Connection {
  readonly query: ScenarioQuery;
  readonly source: End;
  readonly destination: End;
  readonly subjects: readonly Direction[];
}

/** The engine's answer. */
export function answerTo(scenario: Scenario, query: ScenarioQuery): Answer {
  return evaluateScenario({ ...scenario, queries: [query] }).find(({ id }) => id === query.id)!;
}

/** What Hubble shows of a connection where the scenario's policies are in force. Undefined = the engine cannot tell. */
export function flowsOf(scenario: Scenario, connection: Connection): object[] | undefined {
  const { query, subjects } = connection;
  const answer = answerTo(scenario, query);
  if (answer.final === undefined) return undefined;
  const flows: object[] = [];
  for (const side of subjects) {
    const { verdict } = answer[side] ?? { verdict: "error" as const };
    if (verdict === "error") return undefined;
    const word = { allowed: "FORWARDED", denied: "DROPPED", redirect: "REDIRECTED" }[verdict];
    flows.push(
      flowOf(connection, side, {
        verdict: word,
        event_type: { type: 5 },
        ...(word === "DROPPED" ? {} : { is_reply: false }),
      }),
    );
    if (verdict === "denied") return flows;
    if (verdict !== "redirect") continue;
    const judged = answerTo(scenario, { ...query, direction: side }).final;
    const request = { type: "REQUEST", ...requestOf(query) };
    const l7 = {
      verdict: judged === "dropped" ? "DROPPED" : "FORWARDED",
      Type: "L7",
      event_type: { type: 129 },
      is_reply: false,
      l7: request,
    };
    flows.push(flowOf(connection, side, l7));
    if (judged === "dropped") return flows;
  }
  return flows;
}

function requestOf({ http, dns }: ScenarioQuery): object {
  if (dns !== undefined) return { dns: { query: `${dns}.`, qtypes: ["A"] } };
  const { method = "GET", path = "/", host = "", headers = {} } = http ?? {};
  const list = Object.entries({ "User-Agent": "curl", ...headers }).map(([key, value]) => ({ key, value }));
  return { http: { method, url: `http://${host}${path}`, headers: list } };
}

let second = 0;

function flowOf({ query, source, destination }: Connection, side: Direction, rest: object): object {
  const proto = query.proto ?? "TCP";
  const name = proto.startsWith("ICMP") ? proto.replace(/^ICMP$/, "ICMPv4") : proto;
  const layer = proto.startsWith("ICMP") ? { type: query.port } : { source_port: 40_000, destination_port: query.port };
  const time = new Date(1_700_000_000_000 + second++ * 1000).toISOString();
  return {
    flow: {
      time,
      uuid: "00000000-0000-0000-0000-000000000000",
      IP: { source: source.address, destination: destination.address, ipVersion: "IPv4" },
      l4: { [name]: layer },
      source: { labels: source.labels },
      destination: { labels: destination.labels },
      source_names: source.names,
      destination_names: destination.names,
      node_name: "k8s-w1",
      traffic_direction: side.toUpperCase(),
      ...rest,
    },
    node_name: "k8s-w1",
    time,
  };
}
