import { CLUSTER_NAME } from "../../model/addresses.ts";
import { formatLabels } from "../../model/label.ts";
import { protocolName } from "../../model/protocol.ts";
import type { Direction } from "../../model/verdict.ts";
import { PolicyConflict } from "../../policy/clause.ts";
import type { HttpRequestFacts } from "../../policy/http-rule.ts";
import { judgeL7, type L7Facts, passedOn } from "../../policy/judge-l7.ts";
import type { HttpRule } from "../../policy/l7-rule.ts";
import { lookup } from "../../policy/lookup.ts";
import type { NamedPort } from "../../policy/named-ports.ts";
import type { Origins } from "../../policy/origin.ts";
import { requiredFqdns } from "../../policy/repository.ts";
import type { ScenarioEndpoint } from "../../policy/scenario-format.ts";
import type { Somebody } from "../../policy/scenario-world.ts";
import { Cluster, type LocatedRule, type Suppositions, titleOf } from "../cluster.ts";
import type { Verdict } from "../explain.ts";
import type { Inventory } from "../inventory.ts";
import { labelsOfWorkload } from "../party.ts";
import { hostsToldApart } from "./distinctions.ts";
import type { RecordedParty } from "./party.ts";
import type { Conversation } from "./recording.ts";

/** What one side says to a conversation. */
export interface SideJudgement {
  readonly verdict: Verdict;
  /** Why it is unknown. */
  readonly missing?: string;
  /** The proxy judges each request: without one it is unknown which pass. */
  readonly awaits?: "http" | "dns" | "tls";
  /** That decided; for a default deny, those that turned it on. */
  readonly rules: readonly LocatedRule[];
  /** The same as the other side sees it, where this one edits the request's headers. */
  readonly passed?: Question;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly missing?: string;
  /** Absent where the end is no endpoint that these policies are enforced at. */
  readonly egress?: SideJudgement;
  readonly ingress?: SideJudgement;
}

type Question = Pick<Conversation, "from" | "to" | "protocol" | "port" | "request">;

/** A pod whose ports have names that nobody told: in the name's place stands the port that was asked for. */
interface SupposedPort extends NamedPort {
  readonly party: RecordedParty;
}

/** Judges conversations by the policies of an inventory, in the world that their own flows describe. */
export class FlowJudge {
  readonly cluster: Cluster;
  private readonly inventory: Inventory;
  private readonly localCluster: string;
  private readonly headerRules: readonly HttpRule[];
  private readonly hosts: readonly string[] | undefined;
  private readonly portNames: readonly string[];
  /** The same, if every address whose name is not known had one that policies select. Absent = none is selected. */
  private readonly ifNamed: Cluster | undefined;
  /** By the party's key. */
  private readonly names: ReadonlyMap<string, string>;
  private readonly places = new WeakMap<Origins, readonly LocatedRule[]>();
  private readonly ports = new Map<string, readonly NamedPort[] | undefined>();

  /** `asked` is all that will be asked about. */
  constructor(inventory: Inventory, asked: readonly Question[]) {
    const plain = { ...inventory, workloads: [] };
    this.inventory = inventory;
    this.localCluster = inventory.config.clusterName ?? CLUSTER_NAME;
    const elements = inventory.policies.flatMap(({ rules }) => rules.flatMap((rule) => rule.elements));
    const ports = elements.flatMap((element) => element.ports ?? []);
    this.portNames = [...new Set(ports.flatMap((rule) => rule.ports.flatMap(({ name }) => name ?? [])))];
    const httpRules = ports.flatMap(({ http = [] }) => http);
    this.hosts = hostsToldApart(httpRules);
    this.headerRules = httpRules.filter(
      ({ headers = [], headerMatches = [] }) => headers.length + headerMatches.length > 0,
    );
    const parties = [...new Map(asked.flatMap(({ from, to }) => [from, to]).map((each) => [each.key, each])).values()];
    this.names = new Map(parties.map((party, index) => [party.key, nameOf(party, index)]));
    const endpoints = [...parties.flatMap((party) => this.endpointOf(party)), ...this.supposedEndpoints(asked)];
    const outside = parties.filter(({ kind }) => kind === "outside");
    const supposed: Suppositions = {
      endpoints,
      fqdnCache: addressesByName(
        outside.flatMap(({ names, address }) => names.map((name) => [name, address] as const)),
      ),
      cidrLabels: Object.fromEntries(
        outside.filter(({ labels }) => labels.includes(API_SERVER)).map(({ address }) => [address, [API_SERVER]]),
      ),
    };
    this.cluster = new Cluster(plain, supposed);
    this.ifNamed = this.withNames(plain, supposed, outside);
  }

  private endpointOf(party: RecordedParty): ScenarioEndpoint[] {
    const { kind, labels } = party;
    if (kind === "outside" || kind === "unknown") return [];
    const [namespace, name] = this.names.get(party.key)!.split("/") as [string, string];
    return [{ name, namespace, rawLabels: labels, namedPorts: (this.portsOf(party) ?? []).map(written) }];
  }

  /** Names of its ports, where the inventory describes it; undefined = not known. */
  private portsOf(party: RecordedParty): readonly NamedPort[] | undefined {
    if (party.kind !== "pod") return [];
    if (!this.ports.has(party.key)) this.ports.set(party.key, this.findPorts(party));
    return this.ports.get(party.key);
  }

  private findPorts(party: RecordedParty): readonly NamedPort[] | undefined {
    const text = party.labels.join();
    const { workloads } = this.inventory;
    const workload =
      workloads.find((each) => titleOf(each) === party.title) ??
      workloads.find((each) => formatLabels(labelsOfWorkload(each, this.inventory)).join() === text);
    return workload?.ports.flatMap(({ name, port, protocol }) =>
      name === undefined ? [] : [{ name, port, protocol: NUMBERS[protocol] ?? 0 }],
    );
  }

  private supposedEndpoints(asked: readonly Question[]): ScenarioEndpoint[] {
    if (this.portNames.length === 0) return [];
    const found = new Map<string, ScenarioEndpoint>();
    for (const { to, protocol, port } of asked) {
      if (this.portsOf(to) !== undefined) continue;
      for (const name of this.portNames) {
        const full = this.supposedName({ party: to, name, protocol, port });
        const [namespace, short] = full.split("/") as [string, string];
        const namedPorts = [written({ name, protocol, port })];
        found.set(full, { name: short, namespace, rawLabels: to.labels, namedPorts });
      }
    }
    return [...found.values()];
  }

  private supposedName({ party, name, protocol, port }: SupposedPort): string {
    return `${this.names.get(party.key)}#${protocol}.${port}.${name}`;
  }

  private withNames(plain: Inventory, supposed: Suppositions, outside: readonly RecordedParty[]): Cluster | undefined {
    const selectors = requiredFqdns(this.cluster.engine.repository);
    if (selectors.length === 0) return undefined;
    const nameless = outside.filter(({ isNamed }) => !isNamed).map(({ address }) => address);
    const examples = selectors.map((each) => each.matchName ?? exampleOf(each.matchPattern ?? "*"));
    const fqdnCache = { ...supposed.fqdnCache };
    for (const name of examples) fqdnCache[name] = [...(fqdnCache[name] ?? []), ...nameless];
    return new Cluster(plain, { ...supposed, fqdnCache });
  }

  /** The verdict of both sides. A denial is final; else what is unknown leaves all unknown. */
  judge(question: Question): Judgement {
    const { from, to } = question;
    const egress = this.isOurs(from) ? this.judgeSide("egress", question) : undefined;
    const ingress = this.isOurs(to) ? this.judgeSide("ingress", egress?.passed ?? question) : undefined;
    const sides = { ...(egress && { egress }), ...(ingress && { ingress }) };
    const both = [egress, ingress].filter((side) => side !== undefined);
    if (both.some(({ verdict }) => verdict === "denied")) return { verdict: "denied", ...sides };
    const open = both.find(({ verdict }) => verdict === "unknown");
    const stranger = [from, to].find(({ kind }) => kind === "unknown");
    const missing = open?.missing ?? (stranger && whoIs(stranger));
    return missing === undefined ? { verdict: "allowed", ...sides } : { verdict: "unknown", missing, ...sides };
  }

  /** Whether the policies are enforced at it. */
  isOurs({ kind, cluster }: RecordedParty): boolean {
    return kind === "pod" && (cluster === "" || cluster === this.localCluster);
  }

  private judgeSide(direction: Direction, question: Question): SideJudgement {
    const { from, to, protocol } = question;
    const peer = direction === "egress" ? to : from;
    if (peer.kind === "unknown") return { verdict: "unknown", missing: whoIs(peer), rules: [] };
    const plain = this.ask(this.cluster, direction, question);
    if (plain.verdict === "unknown") return plain;
    const differs = (other: SideJudgement) => other.verdict !== plain.verdict;
    if (peer.kind === "outside" && direction === "egress" && !peer.isNamed && this.ifNamed !== undefined)
      if (differs(this.ask(this.ifNamed, direction, question)))
        return { ...plain, verdict: "unknown", missing: `by which name ${peer.address} was asked for` };
    for (const name of this.portsOf(to) === undefined ? this.portNames : [])
      if (differs(this.ask(this.cluster, direction, question, name)))
        return {
          ...plain,
          verdict: "unknown",
          missing: `whether ${protocolName(protocol)} ${question.port} of ${to.title} is called ${name} (give its manifest)`,
        };
    const hidden = this.hiddenFact(direction, question, differs);
    return hidden === undefined ? plain : { ...plain, verdict: "unknown", missing: hidden };
  }

  /** What the recording hides of a request, if the verdict hangs on it. */
  private hiddenFact(
    direction: Direction,
    question: Question,
    differs: (other: SideJudgement) => boolean,
  ): string | undefined {
    const { request } = question;
    const http = request?.facts.http;
    if (request === undefined || http === undefined || request.hidden.length === 0) return undefined;
    if (this.ask(this.cluster, direction, { ...question, request: { ...request, facts: {} } }).awaits === undefined)
      return undefined;
    const asked = (way: HttpRequestFacts) =>
      this.ask(this.cluster, direction, { ...question, request: { ...request, facts: { http: way } } });
    const isHostOpen = () => this.hosts === undefined || this.hosts.some((host) => differs(asked({ ...http, host })));
    if (request.hidden.includes("host") && isHostOpen()) return "the host of the request";
    const isOpen = this.headerRules.some((rule) => differs(asked(withHeaders(http, rule))));
    return isOpen ? `the request's headers (${request.hidden.join(", ")}: not recorded)` : undefined;
  }

  private ask(cluster: Cluster, direction: Direction, question: Question, portName?: string): SideJudgement {
    const { from, to, protocol, port, request } = question;
    const target =
      portName === undefined ? undefined : this.supposedName({ party: to, name: portName, protocol, port });
    const [source, destination] = [this.somebody(cluster, from), this.somebody(cluster, to, target)];
    const [subject, peer] = direction === "egress" ? [source, destination] : [destination, source];
    const policy = cluster.engine.policyOf(subject);
    if (policy instanceof PolicyConflict)
      return { verdict: "unknown", missing: `rules that can stand together: ${policy.message}`, rules: [] };
    const query = { direction, identity: peer.identity, protocol, port };
    const { verdict, origins } = lookup(policy, query);
    const rules = this.located(origins);
    if (verdict !== "redirect") return { verdict: verdict === "allow" ? "allowed" : "denied", rules };
    const facts: L7Facts = request?.facts ?? {};
    const l7 = judgeL7(policy, query, facts, cluster.engine.secrets);
    const all = l7.origins.length === 0 ? rules : distinct([...rules, ...this.located(l7.origins)]);
    if (l7.verdict === "deny") return { verdict: "denied", rules: all };
    if (l7.verdict === "allow") {
      const isEdited = request !== undefined && l7.actions.length > 0;
      const passed = isEdited ? { passed: { ...question, request: { ...request, facts: passedOn(facts, l7) } } } : {};
      return { verdict: "allowed", rules: all, ...passed };
    }
    const { missing } = l7;
    const awaits = AWAITED[missing ?? "listener"];
    return { verdict: "unknown", missing: MISSING[missing ?? "listener"], ...(awaits && { awaits }), rules: all };
  }

  /** The same list every time: many flows are decided by the same rules. */
  private located(origins: Origins): readonly LocatedRule[] {
    const known = this.places.get(origins) ?? origins.map((origin) => this.cluster.locate(origin));
    this.places.set(origins, known);
    return known;
  }

  private somebody({ engine }: Cluster, party: RecordedParty, name = this.names.get(party.key)): Somebody {
    return engine.world.find(name ?? "")!;
  }
}

const API_SERVER = "reserved:kube-apiserver";
const NUMBERS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

const MISSING = {
  http: "the HTTP requests: the proxy would judge each, and the recording has none of this connection",
  dns: "the names that were asked for: the proxy would judge each, and the recording has none",
  sni: "the server's name that the TLS client asks for: the proxy would judge it, and the recording has none of this connection",
  listener: "what the listener of the user's own decides",
} as const;

/** What settles it: the parser of requests that are recorded. */
const AWAITED = { http: "http", dns: "dns", sni: "tls", listener: undefined } as const;

function whoIs({ title }: RecordedParty): string {
  return `who ${title} is: the recording has no labels of it`;
}

/** Its name in the engine's world: of outsiders their address, of nodes the entity where it has no other label. */
function nameOf({ kind, namespace, address }: RecordedParty, index: number): string {
  if (kind === "outside") return address;
  return `${namespace || "nodes"}/recorded-${index}`;
}

function written({ name, port, protocol }: NamedPort) {
  return { name, port, protocol: protocolName(protocol) };
}

function addressesByName(pairs: readonly (readonly [name: string, address: string])[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, address] of pairs) found[name] = [...(found[name] ?? []), address];
  return found;
}

/** A name that a pattern matches. */
function exampleOf(pattern: string): string {
  return pattern.replaceAll("**", "x").replaceAll("*", "x");
}

/** The request with whatever headers the rule wants. */
function withHeaders(http: HttpRequestFacts, { headers = [], headerMatches = [] }: HttpRule): HttpRequestFacts {
  const wanted = [
    ...headers.map((line) => {
      const [name = "", ...rest] = line.split(":");
      return { name: name.trim(), value: rest.join(":").trim() };
    }),
    ...headerMatches.map(({ name, value = "x" }) => ({ name, value })),
  ];
  const names = new Set(wanted.map(({ name }) => name.toLowerCase()));
  return { ...http, headers: [...http.headers.filter(({ name }) => !names.has(name.toLowerCase())), ...wanted] };
}

function distinct(rules: readonly LocatedRule[]): LocatedRule[] {
  return [...new Map(rules.map((rule) => [`${rule.policy} ${rule.path}`, rule])).values()];
}
