import type { Command } from "commander";
import type { PolicyMode } from "../../policy/stance.ts";
import type { Workload } from "../../prove/workload.ts";

/** What every command that reads manifests is told. */
export interface ManifestOptions {
  readonly file?: readonly string[];
  readonly at?: string;
  readonly skip?: readonly string[];
  readonly namespace?: string;
  readonly clusterName?: string;
  readonly policyMode?: PolicyMode;
  readonly ipv6?: boolean;
  /** A cluster that the files are applied to. */
  readonly context?: string;
  readonly kubeconfig?: string;
}

/** For options that may be given again. */
export const collect = (value: string, all: readonly string[] = []) => [...all, value];

/** Tells how many Pods and Jobs of Helm's hooks are left out. */
export function tellHooks(workloads: readonly Workload[], complain: (text: string) => void): void {
  const count = workloads.filter(({ isHook }) => isHook).length;
  if (count > 0) complain(`left out: ${count} of Helm's hooks, which run for a short time (--with-hooks)`);
}

/** Adds the options that say which manifests are meant. */
export function manifestOptions(command: Command, paths = "the same as -f PATH"): Command {
  return command
    .argument("[PATH...]", paths)
    .option("-f, --file <PATH>", "file, folder, glob or - (standard input); may be given again", collect)
    .option("--at <REVISION>", "read the files as they are at this revision of git")
    .option("--skip <GLOB>", "leave out files and folders of this name or path; may be given again", collect)
    .option("-n, --namespace <NAME>", "namespace of objects that name none (default: default)")
    .option("--cluster-name <NAME>", "name of the cluster (default: default)")
    .option("--policy-mode <MODE>", "default, always or never: Cilium's enable-policy")
    .option("--ipv6", "the cluster has IPv6 beside IPv4")
    .option("--context <NAME>", "the cluster of this context, a lab or any other, with the paths applied to it")
    .option("--kubeconfig <FILE>", "the same of this file (default with --context: $KUBECONFIG, ~/.kube/config)");
}
