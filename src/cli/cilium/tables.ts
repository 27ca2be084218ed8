import type { IdentityModel, PolicyModel } from "../../agent/api.ts";
import type { ServiceFrontend } from "../../datapath/port.ts";
import { RESERVED_NAMES } from "../../flow/print/index.ts";
import { addressPort } from "../../model/cidr.ts";
import { compareText } from "../../model/label.ts";
import type { SelectorReport } from "../../policy/selector-report.ts";
import { alignTabs } from "../cobra/tabs.ts";
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

const POLICY_NAME = "io.cilium.k8s.policy.name";
const POLICY_NAMESPACE = "io.cilium.k8s.policy.namespace";

/** `namespace/name` of the policies that labels are of; clusterwide ones have no namespace and are not named. */
function policyNames(labels: SelectorReport["labels"]): string {
  const labelOf = (rule: SelectorReport["labels"][number], wanted: string) =>
    rule.find(({ key, source }) => source === "k8s" && key === wanted)?.value ?? "";
  const namespaced = labels.filter((rule) => labelOf(rule, POLICY_NAMESPACE) !== "");
  return namespaced.map((rule) => `${labelOf(rule, POLICY_NAMESPACE)}/${labelOf(rule, POLICY_NAME)}`).join(",");
}

function allLabels(labels: SelectorReport["labels"]): string {
  const texts = labels.map((rule) =>
    rule.map(({ source, key, value }) => `${source}:${key}${value === "" ? "" : `=${value}`}`).join(" "),
  );
  return texts.length === 0 ? "" : `[${texts.sort().join(", ")}]`;
}

/** `cilium policy selectors` and `subject-selectors`: one identity a row. */
export function selectorsText(reports: readonly SelectorReport[], isVerbose: boolean): string {
  const sorted = [...reports].sort((a, b) => compareText(a.selector, b.selector));
  const rows = sorted.map(({ selector, labels, users, identities }) => {
    const [first, ...others] = identities;
    const named = isVerbose ? allLabels(labels) : policyNames(labels);
    const head = `${selector}\t${named}\t${users}\t${first === undefined ? "" : `${first}\t`}\n`;
    return head + others.map((identity) => `\t\t\t${identity}\t\n`).join("");
  });
  return alignTabs(`SELECTOR\tLABELS\tUSERS\tIDENTITIES\n${rows.join("")}`, { minWidth: 5, padding: 3 });
}

/** `cilium policy get` */
export function policyText(policy: PolicyModel): string {
  return `${JSON.stringify(policy.rules, undefined, 2)}\nRevision: ${policy.revision}\n`;
}
