import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { API_SERVER_PORT, RELAY_PORT } from "../model/addresses.ts";
import type { LabPaths } from "./paths.ts";
import type { LabPorts } from "./processes.ts";

/** True when a listener on 127.0.0.1:`port` can be made now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

function anyFree(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

async function pick(wanted: readonly number[]): Promise<number> {
  for (const port of wanted) if (await isFree(port)) return port;
  return anyFree();
}

/** Host ports for a lab that starts: those of its last time when free, else the usual ones, else any. */
export async function choosePorts(paths: LabPaths): Promise<LabPorts> {
  const last = readPorts(paths);
  const ports: LabPorts = {
    apiServer: await pick([...(last ? [last.apiServer] : []), API_SERVER_PORT]),
    relay: await pick([...(last ? [last.relay] : []), RELAY_PORT]),
  };
  writeFileSync(paths.ports, JSON.stringify(ports));
  return ports;
}

/** The ports of a lab that was started, or undefined. */
export function readPorts(paths: LabPaths): LabPorts | undefined {
  try {
    return JSON.parse(readFileSync(paths.ports, "utf8")) as LabPorts;
  } catch {
    return undefined;
  }
}
