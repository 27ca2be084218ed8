import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Every path and name of one lab. Nothing else in the project spells them. */
export interface LabPaths {
  readonly lab: string;
  /** The checkout; bundles lie in `<root>/dist`. */
  readonly root: string;
  /** Logs stay here after `down`. */
  readonly logs: string;
  /** What the cluster must keep over `stop`: objects, certificates. `down` deletes it. */
  readonly state: string;
  /** Sockets, pids, mounts: gone after `stop`. */
  readonly run: string;
  readonly bpf: string;
  readonly pods: string;
  readonly bin: string;
  readonly pki: string;
  /** Authority and certificates of the flow API. */
  readonly hubblePki: string;
  readonly kubeconfig: string;
  readonly database: string;
  /** Flows that the nodes keep: a folder for each. `stop` keeps them. */
  readonly flows: string;
  /** Written once at each start from nothing. */
  readonly ports: string;
  /** The same while the lab runs: what labs that start at the same moment look at. */
  readonly claimedPorts: string;
  /** What was chosen when the lab was made. */
  readonly settings: string;
  /** Names the nodes whose networks are made; the supervisor and the kubelet follow it. */
  readonly kubeletConfiguration: string;
  readonly fabricNetns: string;
  /** Images that the user added, for every lab. */
  readonly images: string;
  /** What the world's web server serves. */
  readonly world: string;
}

/** The lab that is meant when no name is given. */
export const DEFAULT_LAB = "shieldgate";

const LAB_NAME = /^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/;

/** Paths of the lab called `lab`. Throws when the name cannot be part of an interface or file name. */
export function labPaths(lab: string): LabPaths {
  if (!LAB_NAME.test(lab)) {
    throw new Error(
      `--name ${JSON.stringify(lab)}: use 1 to 20 of a-z, 0-9 and -, beginning and ending with a letter or digit`,
    );
  }
  const home = process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate");
  const state = join(home, "labs", lab);
  const run = join("/run/shieldgate", lab);
  return {
    lab,
    root: dirname(dirname(fileURLToPath(import.meta.url))).replace(/\/src$/, ""),
    logs: join(home, "logs", lab),
    state,
    run,
    bpf: join(run, "bpf"),
    pods: join(run, "pods"),
    bin: join(state, "bin"),
    pki: join(state, "pki"),
    hubblePki: join(state, "pki/hubble"),
    kubeconfig: join(state, "kubeconfig"),
    database: join(state, "objects.sqlite"),
    flows: join(state, "flows"),
    ports: join(state, "ports.json"),
    claimedPorts: join(run, "ports.json"),
    settings: join(state, "settings.json"),
    kubeletConfiguration: join(run, "kubelet-config.json"),
    fabricNetns: `sg-${lab}-fabric`,
    images: join(home, "images.yaml"),
    world: join(run, "world"),
  };
}

/** How a person calls the command for this lab. */
export function commandFor(lab: string): string {
  return lab === DEFAULT_LAB ? "bin/shieldgate" : `bin/shieldgate --name ${lab}`;
}

export function nodeNetns(lab: string, node: string): string {
  return `sg-${lab}-${node}`;
}

export function netnsPath(name: string): string {
  return join("/run/netns", name);
}

/** The node's `/var/run/cilium` as the host sees it. */
export function nodeRun(paths: LabPaths, node: string): string {
  return join(paths.run, node, "cilium");
}
