import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Program, TOOLS_IN_POD } from "../images.ts";
import type { ContainerConfig, Mount, SandboxConfig } from "../port.ts";

export const DEFAULT_PATH = `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${TOOLS_IN_POD}`;

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;
const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
nogroup:x:65534:
`;
const NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\nprotocols: files\nservices: files\n";

/** Parts of the host's /etc that hold nothing of the host: certificates, links to programs, names of ports. */
const SHARED_ETC = ["ssl/certs", "alternatives", "ld.so.cache", "protocols", "services"];
const SHELL_PROFILE = "export PS1='\\h:\\w\\$ '\n";

/** The pod's own files in /etc. */
const OWN_ETC: Readonly<Record<string, (config: SandboxConfig) => string>> = {
  passwd: () => PASSWD,
  group: () => GROUP,
  "nsswitch.conf": () => NSSWITCH,
  profile: () => SHELL_PROFILE,
  hostname: (config) => `${config.hostname}\n`,
  hosts: (config) => config.hosts,
  "resolv.conf": (config) => config.resolvConf,
};

/** Writes the pod's /etc into `directory`. */
export function writeEtc(directory: string, config: SandboxConfig): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(OWN_ETC))
    writeFileSync(join(directory, name), text(config), { mode: 0o644 });
}

/** /bin and its like: links into /usr, or directories of their own where the distribution keeps them apart. */
function systemDirectories(): string[] {
  return ["bin", "sbin", "lib", "lib64"].flatMap((name) => {
    if (!existsSync(`/${name}`)) return [];
    return existsSync(`/usr/${name}`)
      ? ["--symlink", `usr/${name}`, `/${name}`]
      : ["--ro-bind", `/${name}`, `/${name}`];
  });
}

function privateDirectories(readOnlyRoot: boolean): string[] {
  const open = ["/tmp", "/var/tmp"].flatMap((path) => [
    "--perms",
    "1777",
    ...(readOnlyRoot ? ["--dir"] : ["--tmpfs"]),
    path,
  ]);
  const plain = ["/run", "/root", "/home", "/mnt", "/srv", "/var/log", "/var/lib", "/var/cache"];
  return [...plain.flatMap((path) => ["--dir", path]), "--symlink", "../run", "/var/run", ...open];
}

/**
 * A mount may want a place in /usr that this machine does not have, and nothing can be made in what is read-only: the nearest directory
 * above is then made anew, with all that is in it.
 */
function placesInUsr(mounts: readonly Mount[]): string[] {
  const missing = mounts.map(({ mountPath }) => mountPath).filter((path) => path.startsWith("/usr/") && !isEntry(path));
  const above = missing.map((path) => {
    let directory = dirname(path);
    while (!isEntry(directory)) directory = dirname(directory);
    return directory;
  });
  return [...new Set(above)].sort().flatMap((directory) => [
    ...["--tmpfs", directory],
    ...readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
    }),
  ]);
}

export interface RootFilesystem {
  /** Host paths that only root may reach; the shim binds the n-th to `<stage>/n`. */
  readonly sources: readonly string[];
  readonly arguments: readonly string[];
}

/** The mounts of a container as arguments of bubblewrap: read-only /usr, minimal /etc, the rest private and empty. */
export function rootFilesystem(
  etc: string,
  stage: string,
  program: Program,
  config: Pick<ContainerConfig, "mounts" | "readOnlyRoot">,
): RootFilesystem {
  const sources = [etc];
  const staged = (hostPath: string): string => join(stage, String(sources.push(hostPath) - 1));
  const readOnly = config.readOnlyRoot === true;
  const mounts = [...config.mounts].sort((a, b) => a.mountPath.length - b.mountPath.length);
  return {
    sources,
    arguments: [
      ...["--ro-bind", "/usr", "/usr", ...placesInUsr(mounts), ...systemDirectories()],
      ...Object.keys(OWN_ETC).flatMap((name) => ["--ro-bind", join(stage, "0", name), join("/etc", name)]),
      ...SHARED_ETC.flatMap((name) => ["--ro-bind-try", join("/etc", name), join("/etc", name)]),
      ...["--proc", "/proc", "--dev", "/dev", ...privateDirectories(readOnly)],
      ...program.files.flatMap((file) => ["--ro-bind", staged(file.hostPath), file.path]),
      ...mounts.flatMap((mount) => [mount.readOnly ? "--ro-bind" : "--bind", staged(mount.hostPath), mount.mountPath]),
      ...(readOnly ? ["--remount-ro", "/"] : []),
    ],
  };
}

/** The host's directory behind one of a container's path; undefined for what only the container has. */
function onHost(directory: string, program: Pick<Program, "files">): string | undefined {
  if (/^\/(usr|bin|sbin)(\/|$)/.test(directory)) return directory;
  return program.files.find((file) => file.path === directory)?.hostPath;
}

/** True for links too, whether or not the host has what they lead to. */
function isEntry(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** True when the host's name for a command says that the container will not find it; paths in mounts are not judged. */
export function isMissing(command: string, path: string, program: Pick<Program, "files">): boolean {
  if (command.startsWith("/usr/") || command.startsWith("/bin/") || command.startsWith("/sbin/"))
    return !existsSync(command);
  if (command.includes("/")) return false;
  const directories = path.split(":").filter((directory) => directory !== "");
  const unknown = directories.filter((directory) => directory !== TOOLS_IN_POD && !onHost(directory, program));
  if (unknown.length > 0) return false;
  return !directories.some((directory) => {
    const found = onHost(directory, program);
    return found !== undefined && isEntry(join(found, command));
  });
}

export function readTail(path: string, bytes: number): string {
  try {
    return readFileSync(path, "utf8").slice(-bytes).trim();
  } catch {
    return "";
  }
}
