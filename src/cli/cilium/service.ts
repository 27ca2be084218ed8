import type { ServiceSpec } from "../../agent/api-models.ts";
import type { Call } from "../cobra/commands.ts";
import { isSet } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { write } from "../cobra/run.ts";
import { answerOf, tabbed } from "./command.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

interface Address {
  readonly ip?: string | null;
  readonly port?: number;
  readonly protocol?: string;
  readonly scope?: string;
  readonly state?: string;
  readonly preferred?: boolean;
}

interface Realized {
  readonly id?: number;
  readonly "frontend-address"?: Address | null;
  readonly "backend-addresses"?: readonly Address[] | null;
}

/** A service as the API gives it; any part may lack. */
export interface AnyService {
  readonly spec?: { readonly flags?: Partial<ServiceSpec["flags"]> & { readonly cluster?: string } } | null;
  readonly status?: { readonly realized?: Realized | null } | null;
}

function addressText({ ip, port = 0, protocol = "NONE", scope }: Address): string {
  const host = ip?.includes(":") ? `[${ip}]` : ip;
  return `${host}:${port}/${protocol.toUpperCase()}${scope === "internal" ? "/i" : ""}`;
}

function backendText(backend: Address, number: number, showsPreferred: boolean): string {
  const preferred = showsPreferred && backend.preferred ? " (preferred)" : "";
  return `${number} => ${addressText(backend)} (${backend.state ?? ""})${preferred}`;
}

interface Row {
  readonly id: number;
  readonly lines: readonly string[];
}

/** Undefined, and a word on standard error, for a service that says nothing of itself. */
function rowOf({ spec, status }: AnyService, showsPreferred: boolean): Row | undefined {
  const realized = status?.realized;
  const frontend = realized?.["frontend-address"];
  if (!realized || !frontend?.ip) {
    process.stderr.write(realized ? "error parsing frontend" : "error parsing svc: empty state");
    return undefined;
  }
  const { id = 0 } = realized;
  const { type = "", cluster = "" } = spec?.flags ?? {};
  const backends = (realized["backend-addresses"] ?? []).map((backend, index) =>
    backendText(backend, index + 1, showsPreferred),
  );
  const [first = "", ...others] = backends;
  const name = cluster === "" ? type : `${type} (Remote)`;
  return {
    id,
    lines: [`${id}\t${addressText(frontend)}\t${name}\t${first}\t\n`, ...others.map((line) => `\t\t\t${line}\t\n`)],
  };
}

/** `service list` */
export function serviceTable(services: readonly AnyService[], showsPreferred = false): string {
  const rows = services.flatMap((service) => rowOf(service, showsPreferred) ?? []).sort((a, b) => a.id - b.id);
  return tabbed(["ID\tFrontend\tService Type\tBackend\t\n", ...rows.flatMap(({ lines }) => lines)]);
}

async function list({ flags, signal }: Call): Promise<void> {
  const say = (reason: string) => `Cannot get services list: ${reason}`;
  const services = await answerOf<readonly AnyService[]>({ path: "/service" }, signal, say);
  const output = outputOf(flags);
  if (output !== undefined) return printOrExit(services, "[]*Service", output);
  await write(serviceTable(services, isSet(flags, "clustermesh-affinity")));
}

/** `service …` */
export const SERVICE: CommandNode = {
  name: "service",
  short: "List services & loadbalancers",
  commands: [
    {
      ...{ name: "list", aliases: ["ls"], short: "List services", run: list },
      flags: [{ name: "clustermesh-affinity", kind: "bool", help: "Print clustermesh affinity if available" }, OUTPUT],
    },
  ],
};
