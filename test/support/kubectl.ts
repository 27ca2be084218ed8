import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A kubectl to type the commands with. */
export interface Kubectl {
  readonly label: string;
  /** Directory to put first on the path; undefined = the system's kubectl. */
  readonly directory?: string;
  readonly variables: NodeJS.ProcessEnv;
  /** Why it cannot be used here. */
  readonly missing?: string;
}

function minorVersion(kubectl: string): number | undefined {
  try {
    const text = execFileSync(kubectl, ["version", "--client", "-o", "json"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const version = JSON.parse(text) as { clientVersion: { minor: string } };
    return Number.parseInt(version.clientVersion.minor, 10);
  } catch {
    return undefined;
  }
}

/** Debian's kubectl, unpacked from its package into the cache without being installed over the system's. */
function debianKubectl(): string | undefined {
  const cache = join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "cache/debian-kubectl");
  const directory = join(cache, "usr/bin");
  if (existsSync(join(directory, "kubectl"))) return directory;
  try {
    mkdirSync(cache, { recursive: true });
    execFileSync("apt-get", ["download", "-qq", "kubernetes-client"], { cwd: cache, stdio: "ignore" });
    const file = readdirSync(cache).find((name) => name.endsWith(".deb"));
    execFileSync("dpkg", ["-x", file!, cache], { cwd: cache });
    return existsSync(join(directory, "kubectl")) ? directory : undefined;
  } catch {
    return undefined;
  }
}

/** The kubectls that users have: Debian's 1.20 and a new one, the latter over both kinds of streams. */
export function kubectls(): Kubectl[] {
  const system = minorVersion("kubectl") ?? 0;
  const debian = system <= 20 ? undefined : debianKubectl();
  const noNew =
    system > 29 ? undefined : `the system's kubectl is 1.${system}; needs 1.30 or newer for WebSocket streams`;
  return [
    {
      label: "Debian's kubectl 1.20",
      variables: {},
      ...(debian === undefined ? {} : { directory: debian }),
      ...(system > 20 && debian === undefined ? { missing: "apt-get cannot download Debian's kubernetes-client" } : {}),
    },
    { label: "a new kubectl", variables: {}, ...(noNew === undefined ? {} : { missing: noNew }) },
    {
      label: "a new kubectl over SPDY",
      variables: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false" },
      ...(noNew === undefined ? {} : { missing: noNew }),
    },
  ];
}
