import type { ExecConfig, ExecSession } from "../port.ts";
import { spawnExec } from "./exec-session.ts";
import { DEFAULT_PATH } from "./root-filesystem.ts";

export interface HostProcess {
  readonly podProgram: string;
  /** A process of the lab, by host pid. */
  readonly pid: number;
  /** In front of the usual PATH. */
  readonly path: string;
}

/** Runs a command in the mount, pid, network, uts and ipc namespaces of a process of the lab, with that one's rights. */
export function enterHostProcess(host: HostProcess, config: ExecConfig): ExecSession {
  const environment = { PATH: `${host.path}:${DEFAULT_PATH}`, HOME: "/root", ...(config.tty ? { TERM: "xterm" } : {}) };
  return spawnExec(
    host.podProgram,
    [
      ...["exec", String(host.pid), "-", "0", "0", config.tty ? "tty" : "pipe", config.stdin ? "stdin" : "-", "/"],
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...["--", ...config.command],
    ],
    config,
  );
}
