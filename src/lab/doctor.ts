import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cgroupRoot } from "./cgroup.ts";
import type { LabSettings } from "./settings.ts";

/** One thing that the lab needs of the machine. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly seen: string;
  /** What to do when it is not ok. */
  readonly mend: string;
}

/** True when `program` is executable on PATH. */
export function onPath(program: string, path = process.env["PATH"] ?? ""): boolean {
  return path.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function program(name: string, debianPackage: string): Check {
  const ok = onPath(name);
  return { name, ok, seen: ok ? "found" : "not found", mend: `apt-get install ${debianPackage}` };
}

/** Tries classic tc with an eBPF-capable qdisc in a namespace of its own. */
function trafficControl(): Check {
  const script = "ip link set lo up && tc qdisc add dev lo clsact";
  const tried = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  return {
    name: "tc clsact",
    ok: tried.status === 0,
    seen: tried.status === 0 ? "a qdisc could be added" : tried.stderr.trim() || "failed",
    mend: "use a kernel with CONFIG_NET_CLS_ACT and CONFIG_NET_CLS_BPF (every distribution kernel), or: modprobe sch_ingress",
  };
}

function vxlan(): Check {
  const script = "ip link add v type vxlan external dstport 8472";
  const tried = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  return {
    name: "VXLAN",
    ok: tried.status === 0,
    seen: tried.status === 0 ? "a device could be made" : tried.stderr.trim() || "failed",
    mend: "modprobe vxlan, or use a kernel with CONFIG_VXLAN",
  };
}

/** Only a lab of both families needs it. */
function ipv6(): Check {
  const ok = existsSync("/proc/sys/net/ipv6");
  return {
    name: "IPv6",
    ok,
    seen: ok ? "known to the kernel" : "off in the kernel",
    mend: "start the kernel without ipv6.disable=1, or use --ip-family ipv4",
  };
}

/** Everything that `up` needs for a lab of these settings, each looked at on the machine as it is now. */
export function doctor(root: string, { ipFamily }: Pick<LabSettings, "ipFamily">): Check[] {
  const uid = process.getuid?.() ?? -1;
  const cgroup = cgroupRoot();
  const bpffs = readFileSync("/proc/filesystems", "utf8").includes("\tbpf\n");
  const object = join(root, "bpf/build/shieldgate.o");
  return [
    { name: "root", ok: uid === 0, seen: `uid ${uid}`, mend: "run it as root" },
    { name: "architecture", ok: process.arch === "x64", seen: process.arch, mend: "only x86-64 is built today" },
    {
      name: "kernel BTF",
      ok: existsSync("/sys/kernel/btf/vmlinux"),
      seen: existsSync("/sys/kernel/btf/vmlinux") ? "/sys/kernel/btf/vmlinux" : "missing",
      mend: "use a distribution kernel 5.10 or newer (CONFIG_DEBUG_INFO_BTF)",
    },
    {
      name: "bpf file system",
      ok: bpffs,
      seen: bpffs ? "known to the kernel" : "unknown",
      mend: "use a kernel with CONFIG_BPF_SYSCALL",
    },
    {
      name: "cgroup v2",
      ok: cgroup !== undefined,
      seen: cgroup ?? "not mounted",
      mend: "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
    },
    ...(uid === 0 ? [trafficControl(), vxlan()] : []),
    program("bwrap", "bubblewrap"),
    program("ip", "iproute2"),
    program("nsenter", "util-linux"),
    program("curl", "curl"),
    program("kubectl", "kubernetes-client"),
    {
      name: "libbpf",
      ok: existsSync("/usr/lib/x86_64-linux-gnu/libbpf.so.1") || existsSync("/usr/lib64/libbpf.so.1"),
      seen: "libbpf.so.1",
      mend: "apt-get install libbpf1",
    },
    ...(ipFamily === "dual" ? [ipv6()] : []),
    { name: "eBPF object", ok: existsSync(object), seen: object, mend: "npm run setup" },
  ];
}
