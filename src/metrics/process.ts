import { readdirSync, readFileSync } from "node:fs";
import type { Registry } from "./registry.ts";

/** Ticks a second and bytes a page, as Linux has them for programs on the machines that we support. */
const TICKS = 100;
const PAGE = 4096;

/** Fields of `/proc/self/stat` after the name in parentheses, counted from 0 (proc(5) has them from 3). */
function statFields(): readonly string[] {
  const text = readFileSync("/proc/self/stat", "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1] ?? 0);
}

function mostFiles(): number {
  const [, soft = "unlimited"] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** `<prefix>process_*` of this process, with the names of Prometheus' Go client; looked up when they are read. */
export function addProcessMetrics(registry: Registry, prefix = ""): void {
  const gauge = (name: string, help: string) => registry.gauge({ name: `${prefix}process_${name}`, help });
  const cpu = registry.counter({
    name: `${prefix}process_cpu_seconds_total`,
    help: "Processor time of this process, of both kinds, in seconds",
  });
  const resident = gauge("resident_memory_bytes", "Memory of this process that is resident");
  const virtual = gauge("virtual_memory_bytes", "Address space of this process");
  const virtualMax = gauge("virtual_memory_max_bytes", "Most address space that this process may have");
  const open = gauge("open_fds", "File descriptors that this process has open");
  const most = gauge("max_fds", "Most file descriptors that this process may have open");
  gauge("start_time_seconds", "When this process began, in seconds since the epoch")
    .of()
    .set(bootTime() + Number(statFields()[19]) / TICKS);
  virtualMax.of().set(-1);
  most.of().set(mostFiles());
  registry.collect(() => {
    const fields = statFields();
    cpu.of().value = (Number(fields[11]) + Number(fields[12])) / TICKS;
    virtual.of().set(Number(fields[20]));
    resident.of().set(Number(fields[21]) * PAGE);
    open.of().set(readdirSync("/proc/self/fd").length);
  });
}
