import type { Log } from "../model/log.ts";
import type { Registry } from "./registry.ts";

/**
 * `cilium_errors_warnings_total` of what a program's parts tell, each with a name of its own; `write` is given every message. As
 * in Cilium what is merely told is not counted.
 */
export function countedLogs(registry: Registry, write: (message: string) => void): (subsystem: string) => Log {
  const told = registry.counter({
    name: "cilium_errors_warnings_total",
    help: "Warnings and errors in the log",
    labels: ["level", "subsystem"],
  });
  return (subsystem) =>
    (message, level = "warn") => {
      if (level !== "info") told.of(level.toUpperCase(), subsystem).inc();
      write(message);
    };
}
