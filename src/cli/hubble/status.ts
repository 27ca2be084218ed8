import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../proto/gen/health_pb.js";
import { Observer, type ServerStatusResponse, ServerStatusResponseSchema } from "../../../proto/gen/observer_pb.js";
import { messageJson } from "../../flow/print/index.ts";
import { type GivenFlag, lastValue, UsageError } from "../cobra/flags.ts";
import { CommandError, write } from "../cobra/run.ts";
import { type Connection, callError } from "./connection.ts";

const grouped = (value: bigint) => value.toLocaleString("en-US");

function ratio(status: ServerStatusResponse): string {
  return status.maxFlows === 0n ? "" : ` (${((Number(status.numFlows) / Number(status.maxFlows)) * 100).toFixed(2)}%)`;
}

function rate(status: ServerStatusResponse): string {
  if (status.flowsRate > 0) return status.flowsRate.toFixed(2);
  return status.uptimeNs === 0n ? "N/A" : (Number(status.seenFlows) / (Number(status.uptimeNs) / 1e9)).toFixed(2);
}

function connectedLines(status: ServerStatusResponse): string[] {
  if (status.numConnectedNodes === undefined) return [];
  const down = status.numUnavailableNodes;
  const total = down === undefined ? "" : `/${status.numConnectedNodes + down}`;
  const names = [...status.unavailableNodes].sort();
  const more = (down ?? 0) - names.length;
  return [
    `Connected Nodes: ${status.numConnectedNodes}${total}`,
    ...(down ? [`Unavailable Nodes: ${down}`, ...names.map((name) => `  - ${name}`)] : []),
    ...(down && more > 0 ? [`  and ${more} more...`] : []),
  ];
}

/** The compact form of `hubble status` below its first line. */
export function statusLines(status: ServerStatusResponse): string {
  const lines = [
    `Current/Max Flows: ${grouped(status.numFlows)}/${grouped(status.maxFlows)}${ratio(status)}`,
    `Flows/s: ${rate(status)}`,
    ...connectedLines(status),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** `hubble status`: health first, then the fill of the ring. Fails when the server is not healthy. */
export async function printStatus(
  flags: readonly GivenFlag[],
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  const output = lastValue(flags, "output") ?? "compact";
  if (output !== "compact" && output !== "json")
    throw new UsageError(`invalid output format: ${output} (one of compact, json)`);
  const call = { signal, timeoutMs: connection.requestTimeoutMs };
  try {
    const health = await connection.client(Health).check({ service: "hubble.server.Observer" }, call);
    const healthy = health.status === Serving.SERVING;
    const word = healthy ? "Ok" : `Unavailable: ${Serving[health.status]}`;
    if (output === "compact") await write(`Healthcheck (via ${connection.target}): ${word}\n`);
    if (!healthy) throw new CommandError("not healthy");
    const status = await connection.client(Observer).serverStatus({}, call);
    await write(output === "json" ? `${messageJson(ServerStatusResponseSchema, status)}\n` : statusLines(status));
  } catch (error) {
    throw callError(error, connection.target);
  }
}
