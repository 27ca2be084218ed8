import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { type ExecConfig, type ExecSession, RuntimeError } from "../port.ts";
import type { ContainerHost, ContainerRecord } from "./container.ts";

/** Runs a command in the namespaces of a container's first process, as confined as the container. */
export function execInContainer(
  host: ContainerHost,
  initPid: number,
  record: ContainerRecord,
  config: ExecConfig,
): ExecSession {
  if (config.command.length === 0) throw new RuntimeError("InvalidArgument", "exec needs a command");
  const environment = { ...record.environment, ...(config.tty ? { TERM: "xterm" } : {}) };
  return spawnExec(
    host.podProgram,
    [
      ...["exec", String(initPid), host.seccompPath, String(record.uid), String(record.gid)],
      ...[config.tty ? "tty" : "pipe", config.stdin ? "stdin" : "-", record.workingDirectory],
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...["--", ...config.command],
    ],
    config,
  );
}

/** Starts `shieldgate-pod exec` with the given arguments and gives its streams. */
export function spawnExec(podProgram: string, arguments_: readonly string[], config: ExecConfig): ExecSession {
  const child = spawn(podProgram, [...arguments_], {
    stdio: [config.stdin ? "pipe" : "ignore", "pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
  });
  const control = child.stdio[3] as Writable;
  const ignore = () => {}; // the command ended while we wrote to it
  control.on("error", ignore);
  child.stdin?.on("error", ignore);
  const exit = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
  exit.catch(ignore);
  return {
    stdin: child.stdin ?? undefined,
    stdout: child.stdout!,
    stderr: config.tty ? undefined : child.stderr!,
    resize: (columns, rows) => void control.write(`size ${columns} ${rows}\n`),
    kill: (signal) => void control.write(`signal ${constants.signals[signal]}\n`),
    exit,
  };
}
