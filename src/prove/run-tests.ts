import { protocolName } from "../model/protocol.ts";
import { type Answer, answerQuestion, type Question } from "./answer.ts";
import { clusterOf, policyName } from "./cluster.ts";
import { answerText } from "./explain-text.ts";
import type { Inventory } from "./inventory.ts";
import { type Group, matrixOf } from "./matrix.ts";
import { reachText } from "./matrix-formats.ts";
import { findParties } from "./party.ts";
import type { PortReach } from "./reach.ts";
import { readRequest } from "./request-text.ts";
import { parseTarget, protocolOf } from "./target.ts";
import type { ConnectionTest, Expectation, OnlyTest, PolicyTest } from "./test-file.ts";

export interface TestResult {
  readonly test: PolicyTest;
  /** `error` = the question cannot be asked: somebody or a port is not there. */
  readonly outcome: "passed" | "failed" | "error";
  /** What was found instead, several lines. */
  readonly details: string;
}

/** A rule of the policies, and whether it decided a tested connection. */
export interface RuleCoverage {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly isCovered: boolean;
}

export interface TestRun {
  readonly results: readonly TestResult[];
  readonly coverage: readonly RuleCoverage[];
}

/** The outcome of one test, and the rules that decided its connections: `POLICY PATH`. */
export interface RanTest {
  readonly result: TestResult;
  readonly decided: readonly string[];
}

/** Runs the tests of a file against the manifests. */
export function runTests(inventory: Inventory, tests: readonly PolicyTest[]): TestRun {
  return testRun(
    inventory,
    tests.map((test) => runTest(inventory, test)),
  );
}

/** Puts the outcomes together, and says which rules they met. */
export function testRun({ policies }: Inventory, ran: readonly RanTest[]): TestRun {
  const decided = new Set(ran.flatMap((each) => each.decided));
  const coverage = policies.flatMap(({ key, rules, object }) =>
    rules.flatMap(({ elements }) =>
      elements.map(({ path }) => {
        const rule = `${policyName(key)} ${path}`;
        return {
          rule,
          file: object.place.file,
          get line() {
            return object.placeOf(path).line;
          },
          isCovered: decided.has(rule),
        };
      }),
    ),
  );
  return { results: ran.map(({ result }) => result), coverage };
}

/** Runs one test. Never throws: what cannot be asked is an error of the test. */
export function runTest(inventory: Inventory, test: PolicyTest): RanTest {
  try {
    return test.kind === "only" ? { result: runOnly(inventory, test), decided: [] } : runConnection(inventory, test);
  } catch (error) {
    return { result: { test, outcome: "error", details: (error as Error).message }, decided: [] };
  }
}

/** The question that a test asks. Throws an Error where a part of it cannot be read. */
export function questionOf(test: ConnectionTest): Question {
  const { from, to, port, protocol } = test;
  return {
    from,
    to,
    facts: readRequest(test),
    ...(port === undefined ? {} : askedPort(port)),
    ...(protocol === undefined ? {} : { protocol }),
  };
}

function runConnection(inventory: Inventory, test: ConnectionTest): RanTest {
  const { expect } = test;
  const answer = answerQuestion(inventory, questionOf(test));
  const decided = answer.cases.flatMap(({ egress, ingress }) =>
    [egress, ingress].flatMap((side) =>
      [...(side?.rules ?? []), ...(side?.requestRules ?? [])].map(({ policy, path }) => `${policy} ${path}`),
    ),
  );
  const found = foundOf(answer);
  const isExpected = found === expect || (expect === "deny" && found === "deny-l7");
  const other = isExpected ? decidedByOthers(test, answer) : undefined;
  if (other !== undefined) return { result: { test, outcome: "failed", details: other }, decided };
  if (isExpected) return { result: { test, outcome: "passed", details: "" }, decided };
  const details = `expected ${expect}, found ${found}\n${answerText(answer)}`.trimEnd();
  return { result: { test, outcome: "failed", details }, decided };
}

/** Where a case was not decided by the policy that the test names; undefined = each was. A denial is decided by the sides that deny. */
function decidedByOthers({ policy, expect }: ConnectionTest, answer: Answer): string | undefined {
  if (policy === undefined) return undefined;
  for (const { egress, ingress, verdict } of answer.cases) {
    const sides = [egress, ingress].filter((side) => side !== undefined);
    const deciding = verdict === "denied" ? sides.filter((side) => side.verdict === "denied") : sides;
    // what no policy speaks of is allowed by a rule without one
    const names = deciding
      .flatMap(({ rules, requestRules }) => [...rules, ...requestRules].map((rule) => rule.policy))
      .filter((name) => name !== "");
    if (names.some((name) => policy.some((wanted) => isCalled(name, wanted)))) continue;
    const found = [...new Set(names)].join(", ") || "no policy";
    return `expected ${expect} by ${policy.join(" or ")}, found ${found}\n${answerText(answer)}`.trimEnd();
  }
  return undefined;
}

/** `CiliumNetworkPolicy shop/cart` is called that, `shop/cart` and `cart`. */
function isCalled(name: string, wanted: string): boolean {
  return name === wanted || name.endsWith(` ${wanted}`) || name.endsWith(`/${wanted}`);
}

/** `443`, `53/udp` or a name. */
function askedPort(port: number | string): { port: number | string; protocol?: string } {
  if (typeof port === "number") return { port };
  const [number = "", protocol] = port.split("/");
  const value = /^\d+$/.test(number) ? Number(number) : number.toLowerCase();
  return { port: value, ...(protocol === undefined ? {} : { protocol }) };
}

function foundOf({ verdict, cases }: Answer): Expectation {
  if (verdict === "allowed") return "allow";
  if (verdict === "unknown") return "unknown";
  const sides = cases.flatMap(({ egress, ingress }) => [egress, ingress]);
  return sides.every((side) => side?.verdict !== "denied" || side.redirected) ? "deny-l7" : "deny";
}

/** What a matrix calls those whom tests name as entities. */
const GROUP_TITLES: Readonly<Record<string, string>> = { "entity:world": "world", "entity:host": "node" };

function runOnly(inventory: Inventory, test: OnlyTest): TestResult {
  const cluster = clusterOf(inventory);
  const target = parseTarget(test.to);
  const titlesOf = (text: string) => findParties(parseTarget(text), cluster).parties;
  const targets = titlesOf(test.to);
  const friends = new Set(test.only.flatMap(titlesOf).map(({ title }) => GROUP_TITLES[title] ?? title));
  const isTarget = ({ title, workloads }: Group) =>
    targets.some((each) => each.title === title || workloads.includes(each.title));
  const isFriend = ({ title, workloads }: Group) =>
    friends.has(title) || (workloads.length > 0 && workloads.every((each) => friends.has(each)));
  const { connections } = matrixOf(inventory, {
    exposure: true,
    isAsked: (from, to) => isTarget(to) && !isFriend(from),
  });
  const asked = targets[0]?.asked ?? target.asked;
  const protocol = protocolName(protocolOf(asked?.protocol ?? "TCP"));
  const isMeant = (part: PortReach) => {
    if (asked === undefined || typeof asked.port !== "number") return true;
    if (part.protocol === "ANY") return !part.except?.includes(protocol);
    return part.protocol === protocol && part.first <= asked.port && asked.port <= part.last;
  };
  const others = connections.filter(
    ({ reach, missing }) => missing !== undefined || reach === "conflict" || reach.some(isMeant),
  );
  if (others.length === 0) return { test, outcome: "passed", details: "" };
  const lines = others.map((each) => {
    const why =
      each.from.title === "node" ? " (Cilium lets the node of a pod in, whatever policies say: name entity:host)" : "";
    return `${each.from.title} may reach it: ${reachText(each, { l7: true })}${why}`;
  });
  return { test, outcome: "failed", details: lines.join("\n") };
}
