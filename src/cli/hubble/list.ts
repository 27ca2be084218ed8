import { type Namespace, NamespaceSchema, type Node, NodeSchema, Observer } from "../../../proto/gen/observer_pb.js";
import { NodeState } from "../../../proto/gen/relay_pb.js";
import { alignTabs, messageJson, TABLE } from "../../flow/print/index.ts";
import { escapeJson } from "../../model/json-escape.ts";
import { CommandError, write } from "../cobra/run.ts";
import { durationText } from "../cobra/values.ts";
import { callError } from "./call-error.ts";
import type { Connection } from "./connection.ts";

const STATES: Readonly<Partial<Record<NodeState, string>>> = {
  [NodeState.NODE_CONNECTED]: "Connected",
  [NodeState.NODE_UNAVAILABLE]: "Unavailable",
  [NodeState.NODE_GONE]: "Gone",
  [NodeState.NODE_ERROR]: "Error",
};
const SECOND_NS = 1_000_000_000n;
const NOT_KNOWN = "N/A";

function nodeRow(node: Node, wide: boolean): string[] {
  const seconds = (BigInt.asIntN(64, node.uptimeNs) + SECOND_NS / 2n) / SECOND_NS;
  const known = seconds > 0n;
  const fill = ((Number(node.numFlows) / Number(node.maxFlows)) * 100).toFixed(2).padStart(6);
  const tls = node.tls === undefined ? NOT_KNOWN : node.tls.enabled ? "Enabled" : "Disabled";
  return [
    node.name,
    STATES[node.state] ?? "Unknown",
    known ? durationText(seconds * SECOND_NS) : NOT_KNOWN,
    known ? (Number(node.seenFlows) / Number(seconds)).toFixed(2) : NOT_KNOWN,
    node.maxFlows > 0n ? `${node.numFlows}/${node.maxFlows} (${fill}%)` : NOT_KNOWN,
    ...(wide ? [node.version || NOT_KNOWN, node.address, tls] : []),
  ];
}

const table = (rows: readonly (readonly string[])[]) =>
  alignTabs(rows.map((row) => `${row.join("\t")}\n`).join(""), TABLE);

/** The table of `hubble list nodes`. */
export function nodeTable(nodes: readonly Node[], wide: boolean): string {
  const header = ["NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS"];
  const more = wide ? ["VERSION", "ADDRESS", "TLS"] : [];
  return table([[...header, ...more], ...nodes.map((node) => nodeRow(node, wide))]);
}

/** The table of `hubble list namespaces`. */
export function namespaceTable(namespaces: readonly Namespace[], wide: boolean): string {
  const header = wide ? ["NAMESPACE", "CLUSTER"] : ["NAMESPACE"];
  const rows = namespaces.map(({ cluster, namespace }) =>
    wide && cluster !== "" ? [namespace, cluster] : [namespace],
  );
  return table([header, ...rows]);
}

/** Messages as a list in the layout of Go's json.MarshalIndent. */
export function listJson(texts: readonly string[]): string {
  const values = texts.map((text) => JSON.parse(text) as unknown);
  return `${escapeJson(JSON.stringify(values, undefined, 2))}\n`;
}

/** `hubble list nodes` and `hubble list namespaces`. Throws CommandError. */
export async function list(
  what: "nodes" | "namespaces",
  output: string,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  const client = connection.client(Observer);
  const call = { signal, timeoutMs: connection.requestTimeoutMs };
  const fail = (error: unknown) => {
    throw callError(error);
  };
  const shown = (json: () => readonly string[], text: (wide: boolean) => string): Promise<void> => {
    if (output === "json") return write(listJson(json()));
    if (output === "table" || output === "wide") return write(text(output === "wide"));
    throw new CommandError(`unknown output format: ${output}`);
  };
  if (what === "namespaces") {
    const { namespaces } = await client.getNamespaces({}, call).catch(fail);
    return shown(
      () => namespaces.map((one) => messageJson(NamespaceSchema, one)),
      (wide) => namespaceTable(namespaces, wide),
    );
  }
  const answer = await client.getNodes({}, call).catch(fail);
  const nodes = answer.nodes.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  return shown(
    () => nodes.map((one) => messageJson(NodeSchema, one)),
    (wide) => nodeTable(nodes, wide),
  );
}
