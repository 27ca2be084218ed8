import type { Inventory } from "../../prove/inventory.ts";
import type { ManifestText, Problem } from "../../prove/manifest.ts";

/** Where Cilium's agents read their settings, as readers of clusters name it. */
export const SETTINGS_FILE = "cluster/configmaps/kube-system/cilium-config";
const SETTINGS = "ConfigMap kube-system/cilium-config";

/** Settings that change verdicts and that are not modelled, with the values that change nothing. */
const NOT_MODELLED: Readonly<Record<string, readonly string[]>> = {
  labels: [""],
  "policy-cidr-match-mode": ["", "[]"],
  "enable-node-selector-labels": ["", "false"],
  "enable-host-firewall": ["", "false"],
  "allow-localhost": ["", "auto", "always"],
};
/** In the ConfigMap of a lab alone, whose agents pay no heed to what is read here. */
const OF_LAB = "hubble-history-max-age";

/** What a cluster says of itself, below what the options say. */
export interface ClusterSettings {
  readonly config: Inventory["config"];
  readonly settings: string;
  readonly problems: readonly Problem[];
}

/** Reads `cilium-config` (names and values are Cilium's) among the objects of a cluster. `given` counts before it. */
export function settingsOf(texts: readonly ManifestText[], given: Inventory["config"]): ClusterSettings {
  const found = texts.find(({ file }) => file === SETTINGS_FILE)?.value as
    | { data?: Record<string, string> }
    | undefined;
  const { data } = found ?? {};
  if (data === undefined || OF_LAB in data) {
    const why = data === undefined ? `no ${SETTINGS} that may be read` : "a lab";
    return { config: given, settings: `settings: ${settingsText(given, undefined)} (${why})`, problems: [] };
  }
  const problems: Problem[] = [];
  const say = (severity: Problem["severity"], message: string) =>
    problems.push({ severity, file: SETTINGS_FILE, line: 1, message });
  const mode = (data["enable-policy"] ?? "default").toLowerCase();
  if (mode !== "default" && mode !== "always" && mode !== "never")
    say("error", `enable-policy is ${mode}: none of default, always and never; give --policy-mode`);
  for (const [key, harmless] of Object.entries(NOT_MODELLED))
    if (!harmless.includes(data[key] ?? "")) say("warning", `${key} is ${data[key]}, which is not modelled`);
  const name = data["cluster-name"];
  const config: Inventory["config"] = {
    ...(mode === "always" || mode === "never" ? { policyMode: mode } : {}),
    ...(name === undefined || name === "" ? {} : { clusterName: name }),
    ...(data["enable-ipv6"] === "true" ? { enableIPv6: true } : {}),
    ...given,
  };
  const isGiven = given.policyMode !== undefined;
  return {
    config,
    settings: `settings: ${settingsText(config, given)} (${SETTINGS})`,
    // Who gives the mode need not be told that the cluster's is none.
    problems: problems.filter(({ severity }) => severity !== "error" || !isGiven),
  };
}

function settingsText(config: Inventory["config"], given: Inventory["config"] | undefined): string {
  const { policyMode = "default", clusterName = "default", enableIPv6 = false } = config;
  const by = (value: unknown, option: string) => (given !== undefined && value !== undefined ? ` by ${option}` : "");
  return [
    `policy mode ${policyMode}${by(given?.policyMode, "--policy-mode")}`,
    `cluster ${clusterName}${by(given?.clusterName, "--cluster-name")}`,
    enableIPv6 ? "IPv4 and IPv6" : "IPv4",
  ].join(", ");
}
