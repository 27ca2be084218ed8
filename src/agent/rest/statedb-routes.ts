import type { ControllerStatus } from "../status-model.ts";
import { type ApiCall, ApiError, objectBody } from "./request.ts";

/** A row of Cilium's table `health`, in the JSON that its agent gives; times are RFC 3339. */
interface ModuleHealth {
  readonly ID: { readonly Module: readonly string[]; readonly Component: readonly string[] };
  readonly Level: "OK" | "Degraded";
  readonly Message: string;
  readonly Error: string;
  readonly LastOK: string;
  readonly Updated: string;
  readonly Stopped: string;
  readonly Final: string;
  readonly Count: number;
}

/** Go's time that is none. */
const NEVER = "0001-01-01T00:00:00Z";

function healthOf({ name, status }: ControllerStatus): ModuleHealth {
  const failed = status["consecutive-failure-count"];
  const [ok = NEVER, ill = NEVER] = [status["last-success-timestamp"], status["last-failure-timestamp"]];
  return {
    ID: { Module: ["agent", "controlplane"], Component: [name.replaceAll(".", "-")] },
    Level: failed > 0 ? "Degraded" : "OK",
    Message: failed > 0 ? "failing" : "done",
    Error: failed > 0 ? (status["last-failure-msg"] ?? "") : "",
    LastOK: ok,
    Updated: [ok, ill].sort().at(-1)!,
    Stopped: NEVER,
    Final: "",
    Count: failed > 0 ? failed : status["success-count"],
  };
}

/**
 * `/statedb/query` and `/statedb/dump`: Cilium's command asks there for the health of the agent's modules. Each task is one.
 * Answers the text of the body; rejects with ApiError 404 for another table, none of which is kept here.
 */
export async function statedbRoutes(controllers: readonly ControllerStatus[], call: ApiCall): Promise<string> {
  if (call.rest[0] === "dump") return `${JSON.stringify({ health: controllers.map(healthOf) }, undefined, 2)}\n`;
  if (call.rest[0] !== "query") throw new ApiError(404, `no such path: /statedb/${call.rest.join("/")}`);
  const { Table, table = Table } = await objectBody(call);
  if (table !== "health") throw new ApiError(404, `there is no table ${table} here: only health is`);
  const rows = controllers.map((controller, index) => ({ rev: index + 1, obj: healthOf(controller) }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}
