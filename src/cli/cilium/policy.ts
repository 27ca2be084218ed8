import type { PolicyModel } from "../../agent/api-models.ts";
import { compareText } from "../../model/label.ts";
import type { SelectorReport } from "../../policy/selector-report.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { durationText } from "../cobra/values.ts";
import { answerOf, tabbed } from "./command.ts";
import type { AnyEndpoint } from "./endpoint-list.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

const POLICY_NAME = "io.cilium.k8s.policy.name";
const POLICY_NAMESPACE = "io.cilium.k8s.policy.namespace";

type Labels = SelectorReport["labels"] | null | undefined;

/** `namespace/name` of the policies that labels are of; clusterwide ones have no namespace and are not named. */
function policyNames(labels: Labels): string {
  const labelOf = (rule: SelectorReport["labels"][number], wanted: string) =>
    rule.find(({ key, source }) => source === "k8s" && key === wanted)?.value ?? "";
  const namespaced = (labels ?? []).filter((rule) => labelOf(rule, POLICY_NAMESPACE) !== "");
  return namespaced.map((rule) => `${labelOf(rule, POLICY_NAMESPACE)}/${labelOf(rule, POLICY_NAME)}`).join(",");
}

function allLabels(labels: Labels): string {
  const texts = (labels ?? []).map((rule) =>
    rule.map(({ source = "", key = "", value = "" }) => `${source}:${key}${value === "" ? "" : `=${value}`}`).join(" "),
  );
  return texts
    .map((text) => `[${text}]`)
    .sort()
    .join(", ");
}

function selectorRows(
  { selector = "", labels, users = 0, identities }: Partial<SelectorReport>,
  isVerbose: boolean,
): string {
  const [first, ...others] = identities ?? [];
  const named = isVerbose ? allLabels(labels) : policyNames(labels);
  const head = `${selector}\t${named}\t${users}\t${first === undefined ? "" : `${first}\t`}\n`;
  return head + others.map((identity) => `\t\t\t${identity}\t\n`).join("");
}

/** `policy selectors` and `subject-selectors`, named like their paths in the API. */
function selectors(name: string, short: string): CommandNode {
  return {
    ...{ name, short },
    flags: [OUTPUT, { name: "verbose", short: "v", kind: "bool", help: "Show the full labels" }],
    async run({ flags, signal }) {
      const say = (reason: string) => `Cannot get policy: ${reason}\n`;
      const reports = await answerOf<readonly SelectorReport[] | null>({ path: `/policy/${name}` }, signal, say);
      const output = outputOf(flags);
      if (output !== undefined) return printOrExit(reports, "[]*SelectorIdentityMapping", output);
      if (reports === null) return;
      const sorted = reports.toSorted((a, b) => compareText(a.selector, b.selector));
      const rows = sorted.map((report) => selectorRows(report, isSet(flags, "verbose")));
      await write(tabbed(["SELECTOR\tLABELS\tUSERS\tIDENTITIES\n", ...rows]));
    },
  };
}

async function get({ flags, signal }: Call): Promise<void> {
  const say = (reason: string) => `Cannot get policy: ${reason}\n`;
  const answer = await answerOf<Partial<PolicyModel>>({ path: "/policy" }, signal, say);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(answer, "*Policy", output);
  await write(`${answer.policy ?? ""}\nRevision: ${answer.revision ?? 0}\n`);
}

const WAITING = " ".repeat(14);

interface Readiness {
  readonly needed: number;
  readonly ready: number;
  readonly failed: number;
}

function readiness(endpoints: readonly AnyEndpoint[], revision: number): Readiness {
  const isKnown = ({ status }: AnyEndpoint) => !!status?.policy?.realized && !!status.state;
  const isReady = ({ status }: AnyEndpoint) =>
    (status?.policy?.realized?.["policy-revision"] ?? 0) >= revision && status?.state === "ready";
  const known = endpoints.filter(isKnown);
  const ready = known.filter(isReady);
  const notReady = known.filter((endpoint) => !ready.includes(endpoint) && endpoint.status?.state === "not-ready");
  return {
    needed: endpoints.length,
    ready: ready.length,
    failed: endpoints.length - known.length + notReady.length,
  };
}

const seconds = (flags: Call["flags"], name: string, otherwise: number) =>
  Number(lastValue(flags, name) ?? otherwise) * 1000;

async function wait({ flags, words: [word = ""], signal }: Call): Promise<void> {
  if (word === "") throw new HelpError("invalid revision");
  if (!/^[-+]?\d+$/.test(word))
    throw new CommandError(`invalid revision '${word}': strconv.ParseInt: parsing "${word}": invalid syntax`);
  const startedAt = Date.now();
  const failAt = startedAt + seconds(flags, "fail-wait-time", FAIL_WAIT);
  const lastAt = startedAt + seconds(flags, "max-wait-time", MAX_WAIT);
  const since = () => durationText(BigInt(Date.now() - startedAt) * 1_000_000n);
  for (let hasWaited = false; ; hasWaited = true) {
    const say = (reason: string) => `cannot list endpoints: ${reason}\n`;
    const endpoints = await answerOf<readonly AnyEndpoint[]>({ path: "/endpoint" }, signal, say);
    const { needed, ready, failed } = readiness(endpoints, Number(word));
    if (ready === needed) return write(hasWaited ? "\n" : "");
    if (Date.now() > failAt && failed > 0)
      throw new CommandError(`\n${failed} endpoints have failed regeneration after ${since()}\n`);
    if (Date.now() > lastAt)
      throw new CommandError(`\n${needed - ready} endpoints still not ready after ${since()} (${failed} failed)\n`);
    await write(`\rWaiting for endpoints to run policy revision ${Number(word)}: ${ready}/${needed}${WAITING}`);
    await new Promise((resolve) => setTimeout(resolve, seconds(flags, "sleep-time", 1)));
    if (signal.aborted) return;
  }
}

const FAIL_WAIT = 60;
const MAX_WAIT = 360;

const secondsFlag = (name: string, value: number, help: string): FlagSpec => ({
  ...{ name, kind: "int", help },
  default: String(value),
});

/** `policy …` */
export const POLICY: CommandNode = {
  name: "policy",
  short: "Manage security policies",
  commands: [
    { name: "get", short: "Display policy node information (deprecated)", flags: [OUTPUT], run: get },
    selectors("selectors", "Display cached information about selectors"),
    selectors("subject-selectors", "Display cached information about subject selectors"),
    {
      ...{ name: "wait", argument: "<revision>", run: wait },
      short: "Wait for all endpoints to have updated to a given policy revision",
      flags: [
        secondsFlag("sleep-time", 1, "Sleep interval between checks (seconds)"),
        secondsFlag(
          "fail-wait-time",
          FAIL_WAIT,
          "Wait time after which command fails if endpoint regeration fails (seconds)",
        ),
        secondsFlag("max-wait-time", MAX_WAIT, "Wait time after which command fails (seconds)"),
      ],
    },
  ],
};
