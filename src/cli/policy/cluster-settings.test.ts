import { expect, test } from "vitest";
import type { ManifestText } from "../../prove/manifest.ts";
import { applied, clusterInventory } from "./cluster-inventory.ts";
import { SETTINGS_FILE, settingsOf } from "./cluster-settings.ts";

const configMap = (data: Record<string, string>): ManifestText => ({
  file: SETTINGS_FILE,
  text: "",
  value: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cilium-config", namespace: "kube-system" }, data },
});
const POLICY = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "a", namespace: "b" },
  spec: { endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] },
};

test("mode, name and families of the cluster are those of its agents, and who says so is told", () => {
  const read = settingsOf(
    [configMap({ "enable-policy": "Always", "cluster-name": "prod", "enable-ipv6": "true" })],
    {},
  );
  expect(read).toEqual({
    config: { policyMode: "always", clusterName: "prod", enableIPv6: true },
    settings: "settings: policy mode always, cluster prod, IPv4 and IPv6 (ConfigMap kube-system/cilium-config)",
    problems: [],
  });
});

test("what the options say counts before it, and that is told", () => {
  const given = { policyMode: "never", clusterName: "mine" } as const;
  const read = settingsOf([configMap({ "enable-policy": "odd", "cluster-name": "prod" })], given);
  expect(read).toEqual({
    config: given,
    settings:
      "settings: policy mode never by --policy-mode, cluster mine by --cluster-name, IPv4 (ConfigMap kube-system/cilium-config)",
    problems: [],
  });
});

test("a mode that nobody knows is an error; what is set and not modelled is a warning by name", () => {
  const { problems } = settingsOf(
    [configMap({ "enable-policy": "odd", labels: "k8s:!team", "enable-host-firewall": "false" })],
    {},
  );
  expect(problems.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
    "error enable-policy is odd: none of default, always and never; give --policy-mode",
    "warning labels is k8s:!team, which is not modelled",
  ]);
});

test("without a ConfigMap that may be read the defaults count, and so they do in a lab", () => {
  expect(settingsOf([], {})).toEqual({
    config: {},
    settings:
      "settings: policy mode default, cluster default, IPv4 (no ConfigMap kube-system/cilium-config that may be read)",
    problems: [],
  });
  const lab = settingsOf([configMap({ "enable-policy": "always", "hubble-history-max-age": "24h" })], {});
  expect([lab.config, lab.settings]).toEqual([{}, expect.stringMatching(/ default, .* \(a lab\)$/)]);
});

test("what is applied to a cluster means what it means there", async () => {
  const read = () => Promise.resolve([configMap({ "cluster-name": "prod", labels: "x" })]);
  const cluster = await clusterInventory({}, {}, read);
  expect([...cluster.leftAlone]).toEqual([]);
  const files = await clusterInventory({}, {}, () => Promise.resolve([{ file: "f", text: "", value: POLICY }]));
  const { config, policies, problems, settings } = applied(files, cluster);
  expect(config).toEqual({ clusterName: "prod" });
  expect(JSON.stringify(policies[0]!.rules)).toContain("prod");
  expect(problems.map(({ message }) => message)).toEqual(["labels is x, which is not modelled"]);
  expect(settings).toContain("cluster prod");
  expect(JSON.stringify(files.policies[0]!.rules)).not.toContain("prod");
});
