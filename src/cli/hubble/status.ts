import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../proto/gen/health_pb.js";
import { Observer, type ServerStatusResponse, ServerStatusResponseSchema } from "../../../proto/gen/observer_pb.js";
import { alignTabs, dictText, messageJson, outputFormatOf, PLAIN, TABLE } from "../../flow/print/index.ts";
import { CommandError, write } from "../cobra/run.ts";
import { durationText } from "../cobra/values.ts";
import { callError } from "./call-error.ts";
import type { Connection } from "./connection.ts";

const NOT_KNOWN = "N/A";
const LONGEST_NS = 2n ** 63n - 1n;
const DICT_WIDTH = 19;

const grouped = (value: bigint) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (value: number | undefined) => (value === undefined ? NOT_KNOWN : String(value));
const uptime = (ns: bigint) => (ns > LONGEST_NS ? `${ns}ns` : durationText(ns));
const rate = ({ flowsRate }: ServerStatusResponse) => (flowsRate > 0 ? flowsRate.toFixed(2) : NOT_KNOWN);

function connectedLines(status: ServerStatusResponse): string[] {
  const { numConnectedNodes: up, numUnavailableNodes: down } = status;
  const total = down === undefined || up === undefined ? "" : `/${up + down}`;
  const lines = up === undefined ? [] : [`Connected Nodes: ${up}${total}`];
  if (!down) return lines;
  const names = status.unavailableNodes.toSorted();
  const more = names.length > 0 && down > names.length ? [`and ${down - names.length} more...`] : [];
  return [...lines, `Unavailable Nodes: ${down}`, ...[...names, ...more].map((name) => `  - ${name}`)];
}

function compactText(status: ServerStatusResponse): string {
  const { numFlows, maxFlows, seenFlows, uptimeNs } = status;
  const fill = maxFlows === 0n ? "" : ` (${((Number(numFlows) / Number(maxFlows)) * 100).toFixed(2)}%)`;
  const seen = BigInt.asIntN(64, uptimeNs) > 0n ? (Number(seenFlows) / (Number(uptimeNs) / 1e9)).toFixed(2) : NOT_KNOWN;
  const lines = [
    `Current/Max Flows: ${grouped(numFlows)}/${grouped(maxFlows)}${fill}`,
    `Flows/s: ${status.flowsRate > 0 ? rate(status) : seen}`,
    ...connectedLines(status),
  ];
  return PLAIN.escape(lines.map((line) => `${line}\n`).join(""));
}

/** A server's status in one of `hubble status`' formats; undefined when there is none of that name. */
export function statusText(status: ServerStatusResponse, output: string): string | undefined {
  const counts = [status.numFlows, status.maxFlows, status.seenFlows].map(grouped);
  const [flows = "", most = "", seen = ""] = counts;
  const connected = counted(status.numConnectedNodes);
  const unavailable = counted(status.numUnavailableNodes);
  switch (outputFormatOf(output)) {
    case "compact":
      return compactText(status);
    case "dict":
      return PLAIN.escape(
        dictText(
          [
            ["NUM FLOWS", flows],
            ["MAX FLOWS", most],
            ["SEEN FLOWS", seen],
            ["FLOWS PER SECOND", rate(status)],
            ["UPTIME", uptime(status.uptimeNs)],
            ["NUM CONNECTED NODES", connected],
            ["NUM UNAVAIL. NODES", unavailable],
            ["VERSION", status.version],
          ],
          DICT_WIDTH,
        ),
      );
    case "table": {
      const header =
        "NUM FLOWS\tMAX FLOWS\tSEEN FLOWS\tFLOWS PER SECOND\tUPTIME\tNUM CONNECTED NODES\tNUM UNAVAILABLE NODES\tVERSION";
      const row = [...counts, rate(status), uptime(status.uptimeNs), connected, unavailable, status.version];
      return alignTabs(PLAIN.escape(`${header}\n${row.join("\t")}\n`), TABLE);
    }
    case "json":
      return `${messageJson(ServerStatusResponseSchema, status)}\n`;
    default:
      return undefined;
  }
}

/** `hubble status`: health first, then the fill of the ring. Throws CommandError when the server is not healthy. */
export async function printStatus(output: string, connection: Connection, signal: AbortSignal): Promise<void> {
  const call = { signal, timeoutMs: connection.requestTimeoutMs };
  const failing = (what: string) => (error: unknown) => {
    throw new CommandError(`${what}: ${callError(error).message}`);
  };
  const request = { service: "hubble.server.Observer" };
  const health = await connection.client(Health).check(request, call).catch(failing("failed getting status"));
  const healthy = health.status === Serving.SERVING;
  const word = healthy ? "Ok" : `Unavailable: ${Serving[health.status]}`;
  if (output === "compact") await write(`Healthcheck (via ${connection.target}): ${word}\n`);
  if (!healthy) throw new CommandError("not healthy");
  const status = await connection
    .client(Observer)
    .serverStatus({}, call)
    .catch(failing("failed to get hubble server status"));
  const text = statusText(status, output);
  if (text === undefined) throw new CommandError(`invalid output format: ${output}`);
  await write(text);
}
