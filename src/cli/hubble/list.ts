import { toJson } from "@bufbuild/protobuf";
import { NamespaceSchema, type Node, NodeSchema, Observer } from "../../../proto/gen/observer_pb.js";
import { NodeState } from "../../../proto/gen/relay_pb.js";
import { alignColumns } from "../../flow/print/index.ts";
import { type GivenFlag, lastValue, UsageError } from "../cobra/flags.ts";
import { write } from "../cobra/run.ts";
import { type Connection, callError } from "./connection.ts";

const PADDING = 3;
const MIN_WIDTH = 2;

const STATES: Readonly<Partial<Record<NodeState, string>>> = {
  [NodeState.NODE_CONNECTED]: "Connected",
  [NodeState.NODE_UNAVAILABLE]: "Unavailable",
  [NodeState.NODE_GONE]: "Gone",
  [NodeState.NODE_ERROR]: "Error",
};

/** Go's form of a duration in whole seconds: `51h2m3s`. */
export function goSeconds(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}

function nodeRow(node: Node, wide: boolean): string[] {
  const known = node.uptimeNs > 0n;
  const seconds = Number(node.uptimeNs) / 1e9;
  const fill = node.maxFlows > 0n ? ((Number(node.numFlows) / Number(node.maxFlows)) * 100).toFixed(2) : "";
  const tls = node.tls === undefined ? "N/A" : node.tls.enabled ? "Enabled" : "Disabled";
  return [
    node.name,
    STATES[node.state] ?? "Unknown",
    known ? goSeconds(Math.round(seconds)) : "N/A",
    known ? (Number(node.seenFlows) / seconds).toFixed(2) : "N/A",
    node.maxFlows > 0n ? `${node.numFlows}/${node.maxFlows} (${fill.padStart(6)}%)` : "N/A",
    ...(wide ? [node.version || "N/A", node.address || "N/A", tls] : []),
  ];
}

/** The table of `hubble list nodes`, sorted by name. */
export function nodeTable(nodes: readonly Node[], wide: boolean): string {
  const header = [
    "NAME",
    "STATUS",
    "AGE",
    "FLOWS/S",
    "CURRENT/MAX-FLOWS",
    ...(wide ? ["VERSION", "ADDRESS", "TLS"] : []),
  ];
  const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  return alignColumns([header, ...sorted.map((node) => nodeRow(node, wide))], PADDING, MIN_WIDTH);
}

/** `hubble list nodes` and `hubble list namespaces`. */
export async function list(
  what: "nodes" | "namespaces",
  flags: readonly GivenFlag[],
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  const output = lastValue(flags, "output") ?? "table";
  if (!["table", "wide", "json"].includes(output))
    throw new UsageError(`unknown output format: ${output} (one of json, table, wide)`);
  const client = connection.client(Observer);
  const call = { signal, timeoutMs: connection.requestTimeoutMs };
  const wide = output === "wide";
  const json = (values: unknown) => `${JSON.stringify(values, undefined, 2)}\n`;
  try {
    if (what === "nodes") {
      const { nodes } = await client.getNodes({}, call);
      const asJson = () => nodes.map((node) => toJson(NodeSchema, node, { useProtoFieldName: true }));
      return await write(output === "json" ? json(asJson()) : nodeTable(nodes, wide));
    }
    const { namespaces } = await client.getNamespaces({}, call);
    const rows = namespaces.map(({ cluster, namespace }) => (wide ? [namespace, cluster] : [namespace]));
    const table = alignColumns([wide ? ["NAMESPACE", "CLUSTER"] : ["NAMESPACE"], ...rows], PADDING, MIN_WIDTH);
    await write(output === "json" ? json(namespaces.map((one) => toJson(NamespaceSchema, one))) : table);
  } catch (error) {
    throw callError(error, connection.target);
  }
}
