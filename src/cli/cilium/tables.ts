import type { IdentityModel, PolicyModel } from "../../agent/api.ts";
import type { ServiceFrontend } from "../../datapath/port.ts";
import { RESERVED_NAMES } from "../../flow/print/index.ts";
import { addressPort } from "../../model/cidr.ts";
import { table } from "./endpoint.ts";

const PROTOCOLS: Readonly<Record<number, string>> = { 6: "TCP", 17: "UDP", 132: "SCTP" };

/** `GET /v1/ip` */
export interface IpModel {
  readonly cidr: string;
  readonly identity: number;
  readonly tunnel?: string;
}

function identityRows(identity: IdentityModel): string[][] {
  const [first = "", ...others] = identity.labels;
  return [[String(identity.id), first], ...others.map((label) => ["", label])];
}

/** `cilium identity list` and `get`. */
export function identityTable(identities: readonly IdentityModel[]): string {
  const sorted = [...identities].sort((a, b) => a.id - b.id);
  return table([["ID", "LABELS"], ...sorted.flatMap(identityRows)]);
}

const byPrefix = (a: IpModel, b: IpModel) => a.cidr.localeCompare(b.cidr, "en", { numeric: true });

/** `cilium ip list` */
export function ipTable(entries: readonly IpModel[]): string {
  const name = (identity: number) =>
    RESERVED_NAMES[identity] ? `reserved:${RESERVED_NAMES[identity]}` : String(identity);
  return table([
    ["IP", "IDENTITY"],
    ...[...entries].sort(byPrefix).map(({ cidr, identity }) => [cidr, name(identity)]),
  ]);
}

/** `cilium bpf ipcache list` */
export function ipcacheTable(entries: readonly IpModel[]): string {
  const rows = [...entries].sort(byPrefix).map(({ cidr, identity, tunnel }) => {
    const remote = tunnel !== undefined && tunnel !== "" && tunnel !== "0.0.0.0";
    return [
      cidr,
      `identity=${identity} encryptkey=0 tunnelendpoint=${remote ? tunnel : "0.0.0.0"} flags=${remote ? "hastunnel" : "<none>"}`,
    ];
  });
  return table([["IP PREFIX/ADDRESS", "IDENTITY"], ...rows]);
}

/** `cilium service list` */
export function serviceTable(services: readonly ServiceFrontend[]): string {
  const rows = [...services]
    .sort((a, b) => a.id - b.id)
    .flatMap((service) => {
      const protocol = PROTOCOLS[service.protocol] ?? String(service.protocol);
      const backends = service.backends.map(
        ({ address, port }, i) => `${i + 1} => ${addressPort(address, port)}/${protocol} (active)`,
      );
      const [first = "", ...others] = backends;
      const frontend = `${addressPort(service.address, service.port)}/${protocol}`;
      return [[String(service.id), frontend, service.type, first], ...others.map((backend) => ["", "", "", backend])];
    });
  return table([["ID", "Frontend", "Service Type", "Backend"], ...rows]);
}

/** `cilium policy get` */
export function policyText(policy: PolicyModel): string {
  return `${JSON.stringify(policy.rules, undefined, 2)}\nRevision: ${policy.revision}\n`;
}

/** What the agent says of itself; every field may be missing. */
export interface HealthModel {
  readonly status?: string;
  readonly nodeName?: string;
  readonly version?: string;
  readonly kubernetes?: string;
  readonly proxy?: string;
  readonly endpoints?: number;
  readonly identities?: number;
  readonly policyRevision?: number;
  /** What the agent retries, and why. */
  readonly controllers?: Readonly<Record<string, { readonly lastError: string }>>;
  readonly flows?: { readonly current: number; readonly max: number };
}

/** `cilium status`: only what the agent told. */
export function statusText(health: HealthModel): string {
  const flows = health.flows;
  const rows: (readonly [string, string | number | undefined])[] = [
    [
      "Cilium",
      health.status &&
        `${health.status === "ok" ? "Ok" : health.status}${health.version ? `   ${health.version}` : ""}`,
    ],
    ["Node", health.nodeName],
    ["Kubernetes", health.kubernetes],
    ["Envoy", health.proxy],
    ["Endpoints", health.endpoints],
    ["Identities", health.identities],
    ["Policy revision", health.policyRevision],
    [
      "Hubble",
      flows &&
        `Ok   Current/Max Flows: ${flows.current}/${flows.max} (${((flows.current / flows.max) * 100).toFixed(2)}%)`,
    ],
  ];
  const failing = Object.entries(health.controllers ?? {}).map(
    ([name, { lastError }]) => [`Failing ${name}`, lastError] as const,
  );
  const known = [...rows, ...failing].filter(([, value]) => value !== undefined && value !== "");
  return known.map(([key, value]) => `${`${key}:`.padEnd(23)} ${value}\n`).join("");
}
