import type {
  ControllerStatus,
  HubbleObserver,
  ProxyRedirect,
  Status,
  StatusResponse,
} from "../../agent/status-model.ts";
import { goDuration } from "../../health/go-duration.ts";
import { alignTabs } from "../cobra/tabs.ts";

/** What is shown beyond the summary. */
export interface StatusDetails {
  readonly addresses: boolean;
  readonly controllers: boolean;
  readonly redirects: boolean;
  /** Of services and of the clock. */
  readonly features: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Tables inside the status are aligned by themselves. */
const INNER = { minWidth: 0, padding: 3 };

const onOff = (isOn: boolean) => (isOn ? "Enabled" : "Disabled");
const line = (name: string, ...cells: readonly string[]) => `${name}:\t${cells.join("\t")}\n`;
const stateLine = (name: string, { state, msg = "" }: Status) => line(name, state, msg);

function kubernetesText(status: StatusResponse): string {
  const { kubernetes } = status;
  const { mode, deviceList } = status["kube-proxy-replacement"];
  const apis = [...kubernetes["k8s-api-versions"]].sort().join('", "');
  return [
    stateLine("Kubernetes", kubernetes),
    line("Kubernetes APIs", `["${apis}"]`),
    line(
      "KubeProxyReplacement",
      mode,
      `[${devicesText(status)}]`.replace(/^\[\]$/, deviceList.length === 0 ? "" : "[]"),
    ),
  ].join("");
}

function devicesText({ "kube-proxy-replacement": { deviceList, directRoutingDevice } }: StatusResponse): string {
  return deviceList
    .map(({ name, ip }) => `${name} ${ip.join(" ")}${name === directRoutingDevice ? " (Direct Routing)" : ""}`)
    .join(", ");
}

function monitorText({ cpus, npages, pagesize, lost }: StatusResponse["nodeMonitor"]): string {
  const listening = `Listening for events on ${cpus} CPUs with ${npages}x${pagesize} of shared memory`;
  return line("NodeMonitor", listening) + (lost > 0 ? `\t${lost} events lost, 0 unknown notifications\n` : "");
}

function ipamText({ status, allocations }: StatusResponse["ipam"], isFull: boolean): string {
  if (!isFull) return line("IPAM", status);
  const rows = Object.entries(allocations).map(([address, owner]) => `  ${address} (${owner})\n`);
  return `${line("IPAM", status)}Allocated addresses:\n${rows.sort().join("")}`;
}

function routingText({ routing }: StatusResponse): string {
  const mode = routing["inter-host-routing-mode"];
  const tunnel = mode === "Tunnel" ? ` [${routing["tunnel-protocol"]}]` : "";
  return line("Routing", `Network: ${mode}${tunnel}`, `Host: ${routing["intra-host-routing-mode"]}`);
}

function ago(time: string | undefined, now: number): string {
  if (time === undefined) return "never";
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  return `${goDuration(seconds * 1e9)} ago`;
}

function controllerRow({ name, status }: ControllerStatus, now: number): string {
  const times = [ago(status["last-success-timestamp"], now), ago(status["last-failure-timestamp"], now)];
  const count = status["consecutive-failure-count"];
  return `  ${[name, ...times, count, status["last-failure-msg"] ?? "no error", ""].join("\t")}\n`;
}

const isFailing = ({ status }: ControllerStatus) => status["consecutive-failure-count"] > 0;

function controllersText(controllers: readonly ControllerStatus[], isFull: boolean, now: number): string {
  const failing = controllers.filter(isFailing).length;
  const shown = isFull ? controllers : controllers.filter(isFailing);
  const summary = line("Controller Status", `${controllers.length - failing}/${controllers.length} healthy`);
  if (shown.length === 0) return summary;
  const rows = ["  Name\tLast success\tLast error\tCount\tMessage\n", ...shown.map((one) => controllerRow(one, now))];
  return summary + alignTabs(rows.sort().join(""), INNER);
}

function redirectRows(redirects: readonly ProxyRedirect[]): string {
  const rows = redirects.map(({ proxy, name, "proxy-port": port }) => `  ${proxy}\t${name}\t${port}\n`);
  return alignTabs(`  Protocol\tRedirect\tProxy Port\n${rows.sort().join("")}`, INNER);
}

function proxyText({ proxy }: StatusResponse, isFull: boolean): string {
  if (proxy === undefined) return line("Proxy Status", "No managed proxy redirect");
  const count = proxy["total-redirects"] ?? 0;
  const ports = proxy["port-range"];
  const text = `OK, ip ${proxy.ip}, ${count} redirects active on ports ${ports}, Envoy: ${proxy["envoy-deployment-mode"]}`;
  return line("Proxy Status", text) + (isFull && count > 0 ? redirectRows(proxy.redirects) : "");
}

function observerText(observer: HubbleObserver): string {
  const { "current-flows": current, "max-flows": max, "seen-flows": seen, uptime } = observer;
  const seconds = Number.parseFloat(uptime);
  const fill = max > 0 ? [`Current/Max Flows: ${current}/${max} (${((current / max) * 100).toFixed(2)}%)`] : [];
  return [...fill, ...(seconds > 0 ? [`Flows/s: ${(seen / seconds).toFixed(2)}`] : [])].join(", ");
}

function hubbleText({ hubble: { state, msg, observer } }: StatusResponse): string {
  const cells = [msg ? `${state} ${msg}` : state, ...(observer === undefined ? [] : [observerText(observer)])];
  return line("Hubble", ...cells);
}

function featuresText(status: StatusResponse): string {
  const { mode, features } = status["kube-proxy-replacement"];
  const {
    nodePort,
    sessionAffinity,
    hostPort,
    externalIPs,
    socketLB,
    socketLBTracing,
    nat46X64,
    bpfSocketLBHostnsOnly,
  } = features;
  const rows = [
    `  Status:\t${mode}`,
    `  Socket LB:\t${onOff(socketLB.enabled)}`,
    `  Socket LB Tracing:\t${onOff(socketLBTracing.enabled)}`,
    `  Socket LB Coverage:\t${bpfSocketLBHostnsOnly ? "Hostns-only" : "Full"}`,
    `  Devices:\t${devicesText(status)}`,
    `  Backend Selection:\t${nodePort.algorithm}`,
    `  Session Affinity:\t${onOff(sessionAffinity.enabled)}`,
    `  NAT46/64 Support:\t${onOff(nat46X64.enabled)}`,
    "  Services:",
    "  - ClusterIP:\tEnabled",
    `  - NodePort:\tEnabled (Range: ${nodePort.portMin}-${nodePort.portMax}) `,
    "  - LoadBalancer:\tDisabled ",
    `  - externalIPs:\t${onOff(externalIPs.enabled)} `,
    `  - HostPort:\t${onOff(hostPort.enabled)}`,
    "  Annotations:\t(n/a)",
  ];
  return `KubeProxyReplacement Details:\n${alignTabs(`${rows.join("\n")}\n`, INNER)}`;
}

/** `cilium status` down to the cluster's health, cells ended by tabs; the layout is that of Cilium 1.20. */
export function statusText(status: StatusResponse, details: StatusDetails): string {
  const { masquerading, cilium } = status;
  const firewall = status["host-firewall"];
  const protocols = masquerading.enabledProtocols;
  return [
    stateLine("KVStore", status.kvstore),
    kubernetesText(status),
    line("Host firewall", firewall.mode, `[${firewall.devices.join(", ")}]`),
    line("SRv6", onOff(status.srv6.enabled)),
    line("CNI Chaining", status["cni-chaining"].mode),
    line("Cilium", `${cilium.state}   ${cilium.msg ?? ""}`),
    monitorText(status.nodeMonitor),
    stateLine("Cilium health daemon", status.cluster.ciliumHealth),
    ipamText(status.ipam, details.addresses),
    line("IPv4 BIG TCP", onOff(status["ipv4-big-tcp"].enabled)),
    line("IPv6 BIG TCP", onOff(status["ipv6-big-tcp"].enabled)),
    line("BandwidthManager", onOff(status["bandwidth-manager"].enabled)),
    routingText(status),
    line("Attach Mode", "Legacy TC"),
    line("Device Mode", status["datapath-mode"]),
    line("Masquerading", onOff(protocols.ipv4 || protocols.ipv6)),
    details.features ? line("Clock Source for BPF", status["clock-source"].mode) : "",
    controllersText(status.controllers, details.controllers, details.now),
    proxyText(status, details.redirects),
    line("Global Identity Range", identityRange(status)),
    hubbleText(status),
    details.features ? featuresText(status) : "",
    line("Encryption", status.encryption.mode, ""),
  ].join("");
}

function identityRange({ "identity-range": range }: StatusResponse): string {
  return `min ${range["min-identity"]}, max ${range["max-identity"]}`;
}

/** What a brief status has: parts of which nothing is to be said are absent. */
export type BriefStatus = Partial<
  Pick<StatusResponse, "kvstore" | "kubernetes" | "cilium" | "cluster" | "controllers">
>;

/** `cilium status --brief`: `OK`, or the first thing that is wrong. */
export function briefText(status: BriefStatus): string {
  const parts: readonly (readonly [string, Status | undefined])[] = [
    ["kvstore", status.kvstore],
    ["kubernetes", status.kubernetes],
    ["cilium", status.cilium],
    ["cilium-health", status.cluster?.ciliumHealth],
  ];
  const ill = parts.find(([, part]) => part?.state === "Warning" || part?.state === "Failure");
  if (ill !== undefined) return `error in ${ill[0]}: ${ill[1]?.msg ?? ""}\n`;
  const controller = status.controllers?.find(({ status: { "last-failure-msg": message } }) => message !== undefined);
  if (controller === undefined) return "OK\n";
  return `error in controller ${controller.name}: ${controller.status["last-failure-msg"]}\n`;
}
