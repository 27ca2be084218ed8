/** What the command reads of the machine itself, without an agent. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Call } from "../cobra/commands.ts";
import { lastValue } from "../cobra/flags.ts";
import type { CommandNode } from "../cobra/node.ts";
import { CommandError, write } from "../cobra/run.ts";
import { tabbed } from "./command.ts";
import { OUTPUT, outputOf, printOrExit } from "./output/print.ts";

const KILO = 1024;
const MEGA = KILO * KILO;
/** Clock ticks of a second in /proc: USER_HZ of every Linux. */
const TICKS = 100;
/** Processes that took less of a processor since they started are not listed. */
const LEAST_CPU_PERCENT = 1;

/** Lines of `Name:   123 kB` as bytes. */
function bytesOf(text: string): (name: string) => number {
  const values = new Map(
    [...text.matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name, kilo]) => [name, Number(kilo) * KILO]),
  );
  return (name) => values.get(name) ?? 0;
}

const mega = (bytes: number) => Math.floor(bytes / MEGA);
const percent = (part: number, total: number) => ((part / total) * 100).toFixed(2);

/** The text of a file; undefined = its process has ended. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The line of a process; empty for one that takes little, or has ended. */
function processLine(pid: string, bootSeconds: number, total: number, nowSeconds: number): string {
  const [stat, status, words] = ["stat", "status", "cmdline"].map((name) => textOf(`/proc/${pid}/${name}`));
  if (stat === undefined || status === undefined || words === undefined) return "";
  const [, name = "", rest = ""] = /^\d+ \((.*)\) (.*)/s.exec(stat) ?? [];
  const fields = rest.split(" ");
  const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
  const cpu = (seconds / (nowSeconds - (bootSeconds + Number(fields[19]) / TICKS))) * 100;
  if (!(cpu > LEAST_CPU_PERCENT)) return "";
  const bytes = bytesOf(status);
  const parts = { RSS: "VmRSS", VMS: "VmSize", Data: "VmData", Stack: "VmStk", Locked: "VmLck", Swap: "VmSwap" };
  const memory = Object.entries(parts).map(([title, field]) => `${title}: ${mega(bytes(field))}`);
  const line = words.replace(/\0$/, "").split("\0").join(" ");
  return `NAME ${name} STATUS ${fields[0]} PID ${pid} CPU: ${cpu.toFixed(2)}% MEM: ${percent(bytes("VmRSS"), total)}% CMDLINE: [${line}] MEM-EXT: ${memory.join(" ")}\n`;
}

/** `loadinfo`: load, memory, and what takes the processor. */
async function loadInfo(): Promise<void> {
  const [one = "", five = "", fifteen = ""] = readFileSync("/proc/loadavg", "utf8").split(" ");
  const bytes = bytesOf(readFileSync("/proc/meminfo", "utf8"));
  const [total, used] = [bytes("MemTotal"), bytes("MemTotal") - bytes("MemAvailable")];
  const [swap, swapUsed] = [bytes("SwapTotal"), bytes("SwapTotal") - bytes("SwapFree")];
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
  const now = Math.floor(Date.now() / 1000);
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  await write(
    [
      `Load 1-min: ${one} 5-min: ${five} 15min: ${fifteen}\n`,
      `Memory: Total: ${mega(total)} Used: ${mega(used)} (${percent(used, total)}%) Free: ${mega(bytes("MemFree"))} Buffers: ${mega(bytes("Buffers"))} Cached: ${mega(bytes("Cached"))}\n`,
      `Swap: Total: ${mega(swap)} Used: ${mega(swapUsed)} (${percent(swapUsed, swap)}%) Free: ${mega(bytes("SwapFree"))}\n`,
      ...pids.sort().map((pid) => processLine(pid, boot, total, now)),
    ].join(""),
  );
}

/** `bpf fs show`: the first file system of the kernel's objects that is mounted here. */
async function showFileSystem({ flags }: Call): Promise<void> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const found = mounts
    .map((line) => line.split(" - ").map((part) => part.split(" ")))
    .find(([, type]) => type?.[0] === "bpf");
  if (!found) throw new CommandError("No BPF filesystems are mounted");
  const [[id, parent, device, root, point, options, ...optional] = [], [type, source, superOptions] = []] = found;
  const output = outputOf(flags);
  const place = { MountID: Number(id), ParentID: Number(parent), StDev: device, Root: root, MountPoint: point };
  const kind = { FilesystemType: type, MountSource: source, SuperOptions: superOptions };
  const OptionalFields = optional.length === 0 ? null : optional;
  if (output !== undefined)
    return printOrExit({ ...place, MountOptions: options, OptionalFields, ...kind }, "*MountInfo", output);
  const rows = {
    ...{ MountID: id, ParentID: parent, "Mounted State": true, MountPoint: point, MountOptions: options },
    ...{ OptionFields: `[${optional.join(" ")}]`, ...kind },
  };
  await write(
    tabbed(
      Object.entries(rows).map(([name, value]) => `${name}:\t${value}\n`),
      2,
    ),
  );
}

/** A connection to look into which a node has no configuration for, as upstream's command says where it has none either. */
function trouble(
  name: string,
  short: string,
  argument: string | undefined,
  [flag, help, place]: readonly [name: string, help: string, place: string],
  towards: string,
  said: (path: string) => string,
): CommandNode {
  return {
    ...{ name, short, ...(argument !== undefined && { argument }) },
    flags: [
      { name: flag, kind: "string", default: place, help },
      { name: "timeout", kind: "duration", default: "5s", help: `Timeout when checking connectivity to ${towards}` },
      {
        name: "without-service-resolution",
        kind: "bool",
        help: "Disable k8s service to IP resolution through the k8s client",
      },
    ],
    async run({ flags }) {
      const path = lastValue(flags, flag) ?? place;
      if (existsSync(path))
        throw new CommandError(
          `${path} is not looked into: a lab has neither etcd nor other clusters; ask with etcdctl`,
        );
      await write(said(path));
    },
  };
}

export const BPF_FS: CommandNode = {
  ...{ name: "fs", short: "BPF filesystem mount" },
  commands: [{ name: "show", short: "Show bpf filesystem mount details", flags: [OUTPUT], run: showFileSystem }],
};

export const LOADINFO: CommandNode = { name: "loadinfo", short: "Show load information", run: loadInfo };

export const TROUBLESHOOT: CommandNode = {
  ...{ name: "troubleshoot", short: "Run troubleshooting utilities to check control-plane connectivity" },
  commands: [
    trouble(
      "clustermesh",
      "Troubleshoot connectivity towards remote clusters",
      "[clusters...]",
      ["clustermesh-config", "Path to the ClusterMesh configuration directory", "/var/lib/cilium/clustermesh/"],
      "a given cluster",
      (path) =>
        `Unable to retrieve cluster configurations: open ${path}: no such file or directory\nThis is expected when Cluster Mesh is disabled\n`,
    ),
    trouble(
      "kvstore",
      "Troubleshoot connectivity towards the etcd kvstore",
      undefined,
      ["etcd-config", "Path to the etcd configuration", "/var/lib/etcd-config/etcd.config"],
      "the kvstore",
      (path) => `Unable to read etcd configuration: ${path}\nThis is expected when Cilium is running in CRD mode\n`,
    ),
  ],
};
