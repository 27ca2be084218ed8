import type {
  EndpointConfigurationStatus,
  EndpointHealth,
  EndpointStatusChange,
  LabelConfiguration,
} from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import { type FlagSpec, isSet, listValues } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { HelpError } from "../cobra/tree.ts";
import { answerOf, tabbed } from "./command.ts";
import { type AnyEndpoint, endpointTable } from "./endpoint-list.ts";
import { labelsForApi, printableLabels } from "./labels.ts";
import { ENDPOINT_OPTIONS, optionList, optionsText, parseOption } from "./options.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

const RESERVED = /^(?:host|world|world-ipv[46]|unmanaged|health|init|remote-node|kube-apiserver|ingress)$/;
const KINDS = new Set(["cilium-local", "cilium-global", "cni-attachment-id", "cep-name", "ipv4", "ipv6"]);
const labelFlag = (name: string, short: string, help: string): FlagSpec => ({ name, short, kind: "strings", help });

/** Kind and name of the first word. Throws when there is none, or it cannot be one. */
function requireId({ words: [id] }: Call): readonly [id: string, name: string] {
  if (id === undefined) throw new HelpError("Missing endpoint id argument");
  const at = id.indexOf(":");
  if (at < 0 || RESERVED.test(id)) return [id, id];
  const kind = id.slice(0, at);
  if (!KINDS.has(kind))
    throw new CommandError(`Cannot parse endpoint id "${id}": unknown endpoint ID prefix "${kind}"`);
  return [id, id.slice(at + 1)];
}

async function list({ flags, signal }: Call): Promise<void> {
  const call = { path: "/endpoint" };
  const endpoints = await answerOf<readonly AnyEndpoint[]>(
    call,
    signal,
    (reason) => `cannot get endpoint list: ${reason}\n`,
  );
  const output = outputOf(flags);
  if (output === undefined) return write(endpointTable(endpoints, !isSet(flags, "no-headers")));
  const sorted = endpoints.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
  await printOrExit(sorted, "[]*Endpoint", output);
}

async function get(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  const labels = listValues(flags, "labels");
  if (labels.length > 0 && words.length > 0)
    throw new HelpError("Cannot provide both endpoint ID and labels arguments concurrently");
  const output = outputOf(flags) ?? "json";
  if (labels.length > 0) {
    const say = (reason: string) => `Cannot get endpoints for given list of labels [${labels.join(" ")}]: ${reason}\n`;
    const found = await answerOf({ path: "/endpoint", body: labels }, signal, say);
    return printOrExit(found, "[]*Endpoint", output);
  }
  const [id] = requireId(call);
  const say = (reason: string) => `Cannot get endpoint ${id}: ${reason}\n`;
  await printOrExit([await answerOf({ path: "/endpoint/{id}", words: [id] }, signal, say)], "[]*Endpoint", output);
}

async function log(call: Call): Promise<void> {
  const [id] = requireId(call);
  const entries = await answerOf<readonly EndpointStatusChange[]>(
    { path: "/endpoint/{id}/log", words: [id] },
    call.signal,
    (reason) => `Cannot get endpoint log ${id}: ${reason}\n`,
  );
  const output = outputOf(call.flags);
  if (output !== undefined) return printOrExit(entries, "[]*EndpointStatusChange", output);
  const rows = entries.map(
    ({ timestamp = "", code = "", state = "", message = "" }) => `${timestamp}\t${code}\t${state}\t${message}\n`,
  );
  await write(tabbed(["Timestamp\tStatus\tState\tMessage\n", ...rows], 2));
}

async function health(call: Call): Promise<void> {
  const [id] = requireId(call);
  const answer = await answerOf<Partial<EndpointHealth>>(
    { path: "/endpoint/{id}/healthz", words: [id] },
    call.signal,
    (reason) => `Cannot get endpoint healthz ${id}: ${reason}\n`,
  );
  const output = outputOf(call.flags);
  if (output !== undefined) return printOrExit(answer, "*EndpointHealth", output);
  const { overallHealth = "", bpf = "", policy = "", connected = false } = answer;
  const rows = [`Overall Health:\t${overallHealth}\n`, `BPF Health:\t${bpf}\n`, `Policy Health:\t${policy}\n`];
  await write(tabbed([...rows, `Connected:\t${connected ? "yes" : "no"}\n`], 2));
}

async function labels(call: Call): Promise<void> {
  const { flags, signal } = call;
  const [, id] = requireId(call);
  const read = (say: (reason: string) => string) =>
    answerOf<LabelConfiguration>({ path: "/endpoint/{id}/labels", words: [id] }, signal, say);
  const added = labelsForApi(listValues(flags, "add"));
  const deleted = labelsForApi(listValues(flags, "delete"));
  if (added.length > 0 || deleted.length > 0) {
    const say = (reason: string) => `Cannot modifying labels ${reason}`;
    const { status } = await read(say);
    const user = [...new Set([...(status.realized.user ?? []), ...added])].filter((label) => !deleted.includes(label));
    await answerOf({ method: "PATCH", path: "/endpoint/{id}/labels", words: [id], body: { user } }, signal, say);
  }
  const { status } = await read((reason) => `Cannot get endpoint labels: ${reason}`);
  const rows = printableLabels(status["security-relevant"]).map((label) => `${label}\tEnabled\n`);
  await write(tabbed(rows, 2));
}

async function config(call: Call): Promise<void> {
  const { flags, words, signal } = call;
  if (isSet(flags, "list-options")) return write(optionList(ENDPOINT_OPTIONS));
  const [, id] = requireId(call);
  const path = { path: "/endpoint/{id}/config", words: [id] };
  const say = (reason: string) => `Cannot get configuration of endpoint ${id}: ${reason}\n`;
  const now = await answerOf<EndpointConfigurationStatus>(path, signal, say);
  const wanted = words.slice(1);
  if (wanted.length === 0) {
    const output = outputOf(flags);
    if (output !== undefined) return printOrExit(now, "*EndpointConfigurationStatus", output);
    return write(optionsText(now.immutable) + optionsText(now.realized.options));
  }
  const options = { ...now.realized.options };
  for (const text of wanted) {
    const { name, number } = parseOption(text, ENDPOINT_OPTIONS);
    options[name] = String(number);
  }
  await answerOf(
    { ...path, method: "PATCH", body: { ...now.realized, options } },
    signal,
    (reason) => `Cannot update endpoint ${id}: ${reason}`,
  );
  await write(`Endpoint ${id} configuration updated successfully\n`);
}

async function disconnect(call: Call): Promise<void> {
  const [id] = requireId(call);
  const say = (reason: string) => `Cannot disconnect endpoint ${id}: ${reason}\n`;
  await answerOf({ method: "DELETE", path: "/endpoint/{id}", words: [id] }, call.signal, say);
  await write(`Endpoint ${id} successfully disconnected\n`);
}

/** `endpoint …` */
export const ENDPOINT: CommandNode = {
  name: "endpoint",
  short: "Manage endpoints",
  commands: [
    {
      ...{ name: "list", aliases: ["ls"], short: "List all endpoints", run: list },
      flags: [{ name: "no-headers", kind: "bool", help: "Do not print headers" }, OUTPUT],
    },
    {
      ...{
        name: "get",
        argument: "( <endpoint identifier> | -l <endpoint labels> ) ",
        short: "Display endpoint information",
      },
      aliases: ["inspect, show"],
      example:
        "  cilium-dbg endpoint get 4598\n  cilium-dbg endpoint get pod-name:default:foobar\n  cilium-dbg endpoint get -l id.baz",
      flags: [labelFlag("labels", "l", "list of labels"), OUTPUT],
      run: get,
    },
    {
      ...{
        name: "log",
        argument: "<endpoint id>",
        short: "View endpoint status log",
        example: "cilium endpoint log 5421",
      },
      ...{ flags: [OUTPUT], run: log },
    },
    {
      ...{
        name: "health",
        argument: "<endpoint id>",
        short: "View endpoint health",
        example: "cilium endpoint health 5421",
      },
      ...{ flags: [OUTPUT], run: health },
    },
    {
      ...{ name: "labels", short: "Manage label configuration of endpoint", run: labels },
      flags: [labelFlag("add", "a", "Add/enable labels"), labelFlag("delete", "d", "Delete/disable labels")],
    },
    {
      ...{
        name: "config",
        argument: "<endpoint id> [<option>=(enable|disable) ...]",
        short: "View & modify endpoint configuration",
      },
      example: "endpoint config 5421 DropNotification=false TraceNotification=false PolicyVerdictNotification=true",
      flags: [{ name: "list-options", kind: "bool", help: "List available options" }, OUTPUT],
      run: config,
    },
    {
      ...{ name: "disconnect", argument: "<endpoint-id>", short: "Disconnect an endpoint from the network", flags: [] },
      run: disconnect,
    },
  ],
};
