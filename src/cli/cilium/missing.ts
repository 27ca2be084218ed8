import type { CommandNode } from "../cobra/node.ts";
import { CommandError } from "../cobra/run.ts";

/** Commands of upstream's that are not here, with what there is instead. */
const COMMANDS: Readonly<Record<string, string>> = {
  "build-config": "an agent's configuration comes from `shieldgate up` and the ConfigMap cilium-config",
  completion: "a shell is not told what may come next",
  envoy:
    "the proxy is not Envoy: `status --all-redirects` shows what goes to it, and port 9964 of the node has its metrics",
  kvstore: "the Kubernetes API is the only store: use kubectl",
  "post-uninstall-cleanup": "`shieldgate down` leaves nothing behind",
  preflight: "`shieldgate policy validate` judges policies before they are applied",
};

/** Maps of Cilium's datapath that this one has not. */
const MAPS = "auth bandwidth config egress frag ipmasq multicast nat nodeid sha socknat srv6 vtep".split(" ");

/** A command that says by name that it is not here; whatever follows its name. */
function missing(path: string, name: string, reason: string): CommandNode {
  return {
    ...{ name, short: reason, hidden: true, raw: true },
    run: async () => {
      throw new CommandError(`${path} is not here: ${reason}`);
    },
  };
}

/** Commands of a group that is here for others. */
export function missingIn(group: string, reason: string, ...names: readonly string[]): readonly CommandNode[] {
  return names.map((name) => missing(`${group} ${name}`, name, reason));
}

/** Commands on a map that is here: the agent alone writes it. */
export function readOnly(map: string, ...names: readonly string[]): readonly CommandNode[] {
  const reason = `only the agent changes the kernel's maps; \`cilium bpf ${map} --help\` shows what can be read`;
  return missingIn(`bpf ${map}`, reason, ...names);
}

export const MISSING: readonly CommandNode[] = Object.entries(COMMANDS).map(([name, reason]) =>
  missing(name, name, reason),
);

export const MISSING_MAPS: readonly CommandNode[] = MAPS.map((name) =>
  missing(`bpf ${name}`, name, "the datapath has no such map; `cilium bpf --help` lists those that it has"),
);
