import { readFileSync } from "node:fs";
import { hostnameOf, type Pod } from "./pod.ts";

export interface ClusterDns {
  readonly address: string;
  readonly domain: string;
}

function hostResolvConf(): string {
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return "";
  }
}

/** A pod's /etc/resolv.conf by its dnsPolicy and dnsConfig. `Default` is the host's own. */
export function resolvConfOf(pod: Pod, dns: ClusterDns): string {
  const policy = pod.spec.dnsPolicy ?? "ClusterFirst";
  const namespace = pod.metadata.namespace ?? "default";
  const extra = pod.spec.dnsConfig;
  const cluster = policy === "ClusterFirst" || policy === "ClusterFirstWithHostNet";
  const searches = [
    ...(cluster ? [`${namespace}.svc.${dns.domain}`, `svc.${dns.domain}`, dns.domain] : []),
    ...(extra?.searches ?? []),
  ];
  const servers = [...(cluster ? [dns.address] : []), ...(extra?.nameservers ?? [])];
  // the pod's own word takes the place of the cluster's
  const values = new Map<string, string | undefined>(cluster ? [["ndots", "5"]] : []);
  for (const { name, value } of extra?.options ?? []) values.set(name, value);
  const options = [...values].map(([name, value]) => (value === undefined ? name : `${name}:${value}`));
  return [
    ...(policy === "Default" ? [hostResolvConf().trimEnd()] : []),
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    "",
  ].join("\n");
}

/** A pod's /etc/hosts; its own addresses come when they are known. */
export function hostsOf(pod: Pod, dns: ClusterDns, podIPs: readonly string[]): string {
  const name = hostnameOf(pod);
  const { subdomain } = pod.spec;
  const full = subdomain ? `${name}.${subdomain}.${pod.metadata.namespace}.svc.${dns.domain}\t` : "";
  return [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...podIPs.map((podIP) => `${podIP}\t${full}${name}`),
    ...(pod.spec.hostAliases ?? []).map((alias) => `${alias.ip}\t${(alias.hostnames ?? []).join("\t")}`),
    "",
  ].join("\n");
}
