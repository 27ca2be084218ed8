/** A hostile program inside a pod, as its main program and through exec: it must get nothing of the host. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { getPriority, setPriority } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProcessRuntime } from "../../src/runtime/process/runtime.ts";

const root = mkdtempSync("/tmp/sgt-g-isolation-");
const hostSecret = `/run/shieldgate-test-secret-${process.pid}`;
const hostSocket = join(root, "host.sock");
const abstractName = `sgt-g-abstract-${process.pid}`;
execFileSync("sh", [join(import.meta.dirname, "../../scripts/build-native.sh")]);
chmodSync(root, 0o755);
const runtime = createProcessRuntime({
  root: join(root, "pods-of-test"),
  nodePath: process.execPath,
  distDirectory: join(import.meta.dirname, "../../dist"),
});
const servers: Server[] = [];

/** Prints one line `name=ok|denied:errno` an attempt. syscall() of perl reaches the kernel without a library between. */
const ATTEMPTS = String.raw`
sub try { my ($name, @call) = @_; $! = 0; my $r = syscall($call[0], @call[1..$#call]); printf "%s=%s\n", $name, $r < 0 ? "denied:" . ($! + 0) : "ok"; }
sub file { my ($name, $path) = @_; print "$name=", (open(my $f, "<", $path) ? "ok" : "denied"), "\n"; }
my $z = "\0" x 128; my $root = "/"; my $tmp = "/tmp"; my $proc = "proc";
file("shadow", "/etc/shadow"); file("root-home", "/root/.shieldgate"); file("run-secret", "SECRET");
file("host-init", "/proc/HOSTPID/root"); file("core-pattern-read", "/proc/sys/kernel/hostname");
print "core-pattern=", (open(my $c, ">", "/proc/sys/kernel/core_pattern") ? "ok" : "denied"), "\n";
print "sysrq=", (open(my $s, ">", "/proc/sysrq-trigger") ? "ok" : "denied"), "\n";
print "usr-write=", (open(my $u, ">", "/usr/bin/sgt-g-planted") ? "ok" : "denied"), "\n";
print "etc-write=", (open(my $e, ">>", "/etc/hosts") ? "ok" : "denied"), "\n";
try("mount", 165, $proc, $tmp, $proc, 0, 0); try("umount2", 166, $tmp, 2); try("pivot_root", 155, $root, $tmp); try("chroot", 161, $tmp);
try("ptrace", 101, 16, 1, 0, 0); try("bpf", 321, 0, $z, 72); try("keyctl", 250, 0, -3, 1); try("perf", 298, $z, 0, -1, -1, 0);
try("init_module", 175, $z, 1, $z); try("kexec", 246, 0, 0, 0, 0); try("unshare-user", 272, 0x10000000); try("unshare-net", 272, 0x40000000);
try("clone-user", 56, 0x10000011, 0, 0, 0, 0); try("clone3", 435, $z, 64); try("userfaultfd", 323, 0); try("io_uring", 425, 1, $z);
try("open_by_handle", 304, -100, $z, 0); try("reboot", 169, 0, 0, 0, 0); try("swapon", 167, $tmp, 0); try("sethostname", 170, $tmp, 3);
open(my $ns, "<", "/proc/1/ns/net"); try("setns", 308, fileno($ns), 0);
try("packet", 41, 17, 3, 0); try("raw", 41, 2, 3, 1); try("raw6", 41, 10, 3, 58); try("vsock", 41, 40, 1, 0); try("alg", 41, 38, 5, 0);
try("netfilter-netlink", 41, 16, 3, 12); try("xdp", 41, 44, 3, 0);
try("tcp", 41, 2, 1, 0); try("route-netlink", 41, 16, 3, 0); try("ping-socket", 41, 2, 2, 1);
print "kill-host=", (kill(0, HOSTPID) ? "ok" : "denied"), "\n";
use Socket;
socket(my $un, AF_UNIX, SOCK_STREAM, 0); print "host-socket=", (connect($un, pack_sockaddr_un("SOCKET")) ? "ok" : "denied"), "\n";
socket(my $ab, AF_UNIX, SOCK_STREAM, 0); print "abstract-socket=", (connect($ab, pack_sockaddr_un("\0ABSTRACT")) ? "ok" : "denied"), "\n";
socket(my $low, AF_INET, SOCK_STREAM, 0); print "bind-80=", (bind($low, sockaddr_in(80, INADDR_ANY)) ? "ok" : "denied"), "\n";
opendir(my $d, "/proc"); my @pids = grep { /^\d+$/ && $_ > 60 } readdir($d); print "foreign-pids=", scalar(@pids), "\n";
open(my $st, "<", "/proc/self/status"); while (<$st>) { print "$1=$2\n" if /^(CapEff|CapInh|CapPrm|CapAmb|NoNewPrivs|Seccomp):\s+(\S+)/ }
open(my $m, "<", "/proc/self/uid_map"); my ($in, $out) = split(" ", <$m>); print "host-uid=", $out, "\n";
`
  .replaceAll("HOSTPID", String(process.pid))
  .replaceAll("SECRET", hostSecret)
  .replaceAll("SOCKET", hostSocket)
  .replaceAll("ABSTRACT", abstractName);

const ALLOWED = ["tcp", "route-netlink", "ping-socket", "bind-80", "core-pattern-read"];

function parse(output: string): Map<string, string> {
  return new Map(
    output
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => line.split("=") as [string, string]),
  );
}

function expectNothing(output: string): void {
  const results = parse(output);
  // the bounding set says nothing once no new privileges are given
  for (const key of ["CapEff", "CapInh", "CapPrm", "CapAmb"]) expect(results.get(key), key).toBe("0000000000000000");
  expect(results.get("NoNewPrivs")).toBe("1");
  expect(results.get("Seccomp")).toBe("2");
  expect(Number(results.get("host-uid"))).toBeGreaterThanOrEqual(2 ** 30);
  expect(results.get("foreign-pids")).toBe("0");
  const got = [...results].filter(([, result]) => result === "ok").map(([name]) => name);
  expect(got.sort()).toEqual([...ALLOWED].sort());
  expect(results.size).toBeGreaterThan(45);
}

async function sandbox(id: string): Promise<void> {
  await runtime.createSandbox({
    id,
    namespace: "test",
    name: id,
    hostname: id,
    resolvConf: "nameserver 127.0.0.1\n",
    hosts: "127.0.0.1 localhost\n",
    directory: join(root, "pods-of-test", id),
  });
}

beforeAll(async () => {
  writeFileSync(hostSecret, "secret", { mode: 0o644 });
  for (const path of [hostSocket, `\0${abstractName}`]) {
    const server = createServer((socket) => socket.end());
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
  }
  chmodSync(hostSocket, 0o777);
});

afterAll(async () => {
  for (const id of runtime.listSandboxes()) await runtime.removeSandbox(id);
  for (const server of servers) server.close();
  rmSync(hostSecret, { force: true });
  rmSync(root, { recursive: true, force: true });
});

test("the main program gets nothing of the host", async () => {
  await sandbox("main");
  const exited = new Promise<number>((resolve) => runtime.onExit((id, _name, code) => id === "main" && resolve(code)));
  const status = await runtime.startContainer("main", {
    name: "c",
    image: "debian",
    command: ["perl", "-e", ATTEMPTS],
    env: [],
    mounts: [],
    tty: false,
  });
  expect(await exited).toBe(0);
  const log = readFileSync(status.logPath, "utf8").replaceAll(/^\S+ std(?:out|err) F /gm, "");
  expectNothing(log);
});

test("a command of exec gets nothing of the host", async () => {
  await sandbox("exec");
  await runtime.startContainer("exec", { name: "c", image: "registry.k8s.io/pause", env: [], mounts: [], tty: false });
  const session = await runtime.exec("exec", "c", { command: ["perl", "-e", ATTEMPTS], tty: false, stdin: false });
  const [output, errors, code] = await Promise.all([text(session.stdout), text(session.stderr!), session.exit]);
  expect(errors).toBe("");
  expect(code).toBe(0);
  expectNothing(output);
  expect(existsSync("/usr/bin/sgt-g-planted")).toBe(false);
});

test("who starts pods comes before them, and neither programs nor commands of exec come with it", async () => {
  const own = getPriority();
  setPriority(-5);
  try {
    await sandbox("place");
    const pause = { name: "c", image: "registry.k8s.io/pause", env: [], mounts: [], tty: false };
    const { pid } = await runtime.startContainer("place", pause);
    const session = await runtime.exec("place", "c", { command: ["nice"], tty: false, stdin: false });
    expect([getPriority(pid), await text(session.stdout)]).toEqual([0, "0\n"]);
  } finally {
    setPriority(own);
  }
});

test("a host directory is seen only where it is mounted, with the rights given", async () => {
  await sandbox("mounts");
  const readable = join(root, "pods-of-test/mounts/volumes/config");
  const writable = join(root, "pods-of-test/mounts/volumes/data");
  for (const directory of [readable, writable]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(readable, "key"), "value");
  await runtime.startContainer("mounts", {
    name: "c",
    image: "registry.k8s.io/pause",
    env: [{ name: "SECRET_WORD", value: "in the pod only" }],
    mounts: [
      { hostPath: readable, mountPath: "/etc/config", readOnly: true },
      { hostPath: writable, mountPath: "/data", readOnly: false },
    ],
    tty: false,
  });
  const script =
    "cat /etc/config/key; echo no > /etc/config/key; echo made > /data/file; echo $SECRET_WORD; tr '\\0' ' ' </proc/1/cmdline";
  const session = await runtime.exec("mounts", "c", { command: ["sh", "-c", script], tty: false, stdin: false });
  const [output, errors] = await Promise.all([text(session.stdout), text(session.stderr!)]);
  expect(errors).toMatch(/Read-only file system/);
  expect(output).toContain("value");
  expect(output).toContain("in the pod only\nbwrap --args 5 -- sleep infinity");
  expect(readFileSync(join(writable, "file"), "utf8")).toBe("made\n");
});
