import type { L7Facts } from "../policy/judge-l7.ts";
import { type Cluster, clusterOf, type Suppositions } from "./cluster.ts";
import { type CaseResult, judgeConnection, type Verdict } from "./explain.ts";
import type { Inventory } from "./inventory.ts";
import { missingLabels, waysToLabel } from "./namespace-labels.ts";
import { findParties, type KnownNames, type Parties } from "./party.ts";
import { parseTarget, protocolOf } from "./target.ts";

/** A connection that somebody asks about, in their own words. */
export interface Question {
  readonly from: string;
  readonly to: string;
  /** Destination port or ICMP type, where `to` does not say it. */
  readonly port?: number | string;
  /** Default: what the port of `to` says, else UDP with `dns`, else TCP. */
  readonly protocol?: string;
  readonly facts?: L7Facts;
  /** Addresses of names outside. */
  readonly names?: KnownNames;
}

/** The answer for everybody whom the question may mean. */
export interface Answer {
  readonly verdict: Verdict;
  /** With `unknown`: the fact that would decide. */
  readonly missing?: string;
  /** Connections that were judged; where many are alike, one of each kind. */
  readonly cases: readonly CaseResult[];
}

/**
 * Answers a question. The verdict is `unknown` when the connections that it may mean differ, or when it hangs on something that
 * the manifests do not say. Throws an Error where somebody or a port cannot be found.
 */
export function answerQuestion(inventory: Inventory, question: Question): Answer {
  const { from, to } = partiesOf(clusterOf(inventory), question);
  const namespaces = [from, to].flatMap(({ parties }) => parties.flatMap(({ namespace }) => namespace ?? []));
  const ways = waysToLabel(inventory, namespaces);
  const answers = (ways ?? [{}]).map((namespaceLabels) =>
    judgeAll(inventory, question, Object.keys(namespaceLabels).length === 0 ? {} : { namespaceLabels }),
  );
  const [first] = answers;
  const isSettled = ways !== undefined && answers.every(({ verdict }) => verdict === first!.verdict);
  if (isSettled) return first!;
  const other = answers.find(({ verdict }) => verdict !== first!.verdict);
  const verdicts = answers.map(({ verdict }) => verdict);
  const missing =
    ways === undefined ? missingLabels(inventory, namespaces) : missingLabels(inventory, namespaces, ways, verdicts);
  const cases = [...first!.cases, ...(other?.cases ?? [])];
  return { verdict: "unknown", missing, cases };
}

/** Everybody whom a question may mean, at both ends. */
export interface Ends {
  readonly from: Parties;
  readonly to: Parties;
}

/** Looks both ends up. Throws an Error where somebody or a port cannot be found. */
export function partiesOf(cluster: Cluster, { from, to, names, port, protocol }: Question): Ends {
  const target = parseTarget(to);
  const isIcmp = /^icmp/i.test(protocol ?? "");
  if (target.asked !== undefined && isIcmp) throw new Error(`${to}: an ICMP message has no port: leave it out`);
  if (target.asked !== undefined && port !== undefined) throw new Error(`${to}: the port is given twice`);
  const said = target.asked?.protocol;
  if (said !== undefined && protocol !== undefined && said !== protocol.toUpperCase())
    throw new Error(`${to}: the protocol is given twice, here and as ${protocol}`);
  // A service is asked at its own port, however that is written.
  const place = target.asked ?? (port === undefined || isIcmp ? undefined : { port });
  const asked = place && (protocol === undefined ? place : { ...place, protocol: protocol.toUpperCase() });
  return {
    from: findParties(parseTarget(from), cluster, names),
    to: findParties(asked === undefined ? target : { ...target, asked }, cluster, names),
  };
}

function judgeAll(inventory: Inventory, question: Question, supposed: Suppositions): Answer {
  const plain = clusterOf(inventory, supposed);
  const ends = partiesOf(plain, question);
  const added = [ends.from.supposed, ends.to.supposed];
  const isPlain = added.every((each) => Object.keys(each).length === 0);
  const cluster = isPlain ? plain : clusterOf(inventory, joined([supposed, ...added]));
  const { facts = {} } = question;
  const cases = ends.from.parties.flatMap((from) =>
    ends.to.parties.map((to) => {
      const protocol = protocolOf(question.protocol ?? to.asked?.protocol ?? (facts.dns === undefined ? "TCP" : "UDP"));
      return judgeConnection(cluster, {
        from,
        to,
        protocol,
        facts,
        ...(question.port === undefined ? {} : { port: question.port }),
      });
    }),
  );
  return combined(cases, ends);
}

function joined(all: readonly Suppositions[]): Suppositions {
  return {
    namespaceLabels: Object.assign({}, ...all.map(({ namespaceLabels }) => namespaceLabels)) as NonNullable<
      Suppositions["namespaceLabels"]
    >,
    fqdnCache: Object.assign({}, ...all.map(({ fqdnCache }) => fqdnCache)) as NonNullable<Suppositions["fqdnCache"]>,
    endpoints: all.flatMap(({ endpoints = [] }) => endpoints),
  };
}

function combined(cases: readonly CaseResult[], { from, to }: Ends): Answer {
  const verdicts = new Set(cases.map(({ verdict }) => verdict));
  const distinct = distinctCases(cases);
  if (verdicts.size > 1) {
    const missing = [from.undecided, to.undecided].filter((fact) => fact !== "").join(", and ");
    return { verdict: "unknown", missing, cases: distinct };
  }
  const [first] = cases;
  const { verdict, missing } = first!;
  return { verdict, ...(missing === undefined ? {} : { missing }), cases: distinct };
}

/** Cases that people could not tell apart are one. */
function distinctCases(cases: readonly CaseResult[]): CaseResult[] {
  const textOf = ({ from, to, verdict, port, protocol }: CaseResult) =>
    JSON.stringify([from, to, verdict, port, protocol]);
  return [...new Map(cases.map((each) => [textOf(each), each])).values()];
}
