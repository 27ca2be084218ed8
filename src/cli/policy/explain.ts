import type { Writable } from "node:stream";
import { type Answer, answerQuestion, type Question } from "../../prove/answer.ts";
import { Cluster } from "../../prove/cluster.ts";
import { answerText } from "../../prove/explain-text.ts";
import type { Inventory } from "../../prove/inventory.ts";
import { type Group, matrixOf } from "../../prove/matrix.ts";
import { connectionLines, matrixJson } from "../../prove/matrix-formats.ts";
import { findParties } from "../../prove/party.ts";
import { readRequest } from "../../prove/request-text.ts";
import { parseTarget } from "../../prove/target.ts";
import type { ClusterReader } from "./cluster-inventory.ts";
import { readWorld, tellProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, leftOutText, marked } from "./left-out.ts";
import type { ManifestOptions } from "./manifest-options.ts";

export interface ExplainOptions extends ManifestOptions {
  readonly from?: string;
  readonly to?: string;
  readonly fromAny?: boolean;
  readonly toAny?: boolean;
  readonly port?: string;
  readonly proto?: string;
  readonly icmp?: string;
  readonly icmpv6?: string;
  readonly http?: string;
  readonly header?: readonly string[];
  readonly dns?: string;
  readonly sni?: string;
  readonly address?: readonly string[];
  readonly output?: string;
}

const EXIT = { allowed: 0, denied: 1, unknown: 2 } as const;

/** Answers one question. The exit code: 0 allowed, 1 denied, 2 unknown, or the input cannot be trusted. */
export async function explainCommand(
  paths: readonly string[],
  options: ExplainOptions,
  out: Writable,
  complain: (text: string) => void,
  readCluster: ClusterReader,
): Promise<number> {
  const { output = "text" } = options;
  if (!["text", "json"].includes(output)) throw new Error(`-o ${output}: one of text, json`);
  const inventory = await readWorld(paths, options, readCluster);
  tellProblems(inventory, complain);
  if (!hasAnswer([inventory]) && output === "text") return EXIT.unknown;
  const leftOut = leftOutOf([inventory]);
  if (options.toAny === true || options.fromAny === true) return explainAny(inventory, options, output, out);
  const question = questionOf(options);
  const answer = leftOut.length === 0 ? answerQuestion(inventory, question) : partialAnswer(inventory, question);
  // as a text it begins with what is missing
  const json = () => marked(`${JSON.stringify(answer, undefined, 2)}\n`, output, leftOut);
  out.write(output === "json" ? json() : answerText(answer));
  return EXIT[answer.verdict];
}

/** What is known without that which cannot be read: the cases by themselves, and no verdict. */
function partialAnswer(inventory: Inventory, question: Question): Answer {
  const unknown = { verdict: "unknown", missing: leftOutText(leftOutOf([inventory])) } as const;
  try {
    return { ...answerQuestion(inventory, question), ...unknown };
  } catch (error) {
    return { ...unknown, missing: `${(error as Error).message}; ${unknown.missing}`, cases: [] };
  }
}

const ONE_CONNECTION = ["port", "proto", "icmp", "icmpv6", "http", "header", "dns", "sni", "address"] as const;

/** One row or column of the matrix: everybody whom `--from` reaches, or who reaches `--to`. */
function explainAny(inventory: Inventory, options: ExplainOptions, output: string, out: Writable): number {
  const { from, to, toAny, fromAny } = options;
  const given = ONE_CONNECTION.filter((name) => options[name] !== undefined);
  if (given.length > 0)
    throw new Error(`--${given[0]} is about one connection: leave it out beside --to-any and --from-any`);
  const who = toAny === true ? from : to;
  if (who === undefined || (toAny === true && fromAny === true) || (from !== undefined && to !== undefined))
    throw new Error("write --from WHO --to-any, or --from-any --to WHO");
  const target = parseTarget(who);
  if (target.asked !== undefined) throw new Error(`${who}: every port is listed: leave it out`);
  const { parties } = findParties(target, new Cluster(inventory));
  const titles = new Set(parties.map(({ title }) => (title === "entity:world" ? "world" : title)));
  const isMeant = ({ title, workloads }: Group) => titles.has(title) || workloads.some((each) => titles.has(each));
  const matrix = matrixOf(inventory, { isAsked: (source, target) => isMeant(toAny === true ? source : target) });
  if (!matrix.groups.some(isMeant)) throw new Error(`${who}: ask for one workload, or for entity:world`);
  const used = new Set(matrix.connections.flatMap((each) => [each.from, each.to]));
  const groups = matrix.groups.filter((group) => used.has(group));
  const leftOut = leftOutOf([inventory]);
  const text = output === "json" ? matrixJson({ ...matrix, groups }) : connectionLines(matrix, { l7: true });
  out.write(marked(text, output, leftOut));
  return leftOut.length > 0 || matrix.connections.some(({ missing }) => missing !== undefined)
    ? EXIT.unknown
    : EXIT.allowed;
}

function questionOf(options: ExplainOptions): Question {
  const { from, to, port, proto, icmp, icmpv6 } = options;
  if (from === undefined || to === undefined)
    throw new Error("write --from WHO and --to WHO:PORT (or --to-any, --from-any)");
  const base = {
    from,
    to,
    facts: readRequest({ ...options, headers: options.header }),
    names: namesOf(options.address ?? []),
  };
  if (icmp !== undefined) return { ...base, protocol: "ICMP", port: icmpType(icmp, ICMP_TYPES) };
  if (icmpv6 !== undefined) return { ...base, protocol: "ICMPv6", port: icmpType(icmpv6, ICMPV6_TYPES) };
  return {
    ...base,
    ...(port === undefined ? {} : { port: /^\d+$/.test(port) ? Number(port) : port.toLowerCase() }),
    ...(proto === undefined ? {} : { protocol: proto }),
  };
}

/** Types that people ask about by name. */
const ICMP_TYPES: Readonly<Record<string, number>> = {
  echoreply: 0,
  destinationunreachable: 3,
  echorequest: 8,
  echo: 8,
  timeexceeded: 11,
};
const ICMPV6_TYPES: Readonly<Record<string, number>> = {
  destinationunreachable: 1,
  packettoobig: 2,
  timeexceeded: 3,
  echorequest: 128,
  echoreply: 129,
};

function icmpType(text: string, names: Readonly<Record<string, number>>): number {
  const type = /^\d{1,3}$/.test(text) ? Number(text) : names[text.toLowerCase()];
  if (type === undefined || type > 255)
    throw new Error(`${text}: not an ICMP type: a number, or one of ${Object.keys(names).join(", ")}`);
  return type;
}

function namesOf(pairs: readonly string[]): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const pair of pairs) {
    const [name, address] = pair.split("=");
    if (!name || !address) throw new Error(`--address ${pair}: write NAME=ADDRESS`);
    names[name.toLowerCase()] = [...(names[name.toLowerCase()] ?? []), address];
  }
  return names;
}
