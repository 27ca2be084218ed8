import { parseAddress, parseCidr } from "../model/cidr.ts";
import { protocolNumber } from "../model/protocol.ts";

/** A port as it is asked for. */
export interface AskedPort {
  readonly port: number | string;
  /** `TCP`, `UDP` or `SCTP`; absent = not said. */
  readonly protocol?: string;
}

/** Whom somebody means at one end of a connection, before it is looked up. */
export type Target = { readonly asked?: AskedPort; readonly text: string } & (
  | { readonly kind: "name"; readonly namespace?: string; readonly of?: string; readonly name: string }
  | { readonly kind: "labels"; readonly labels: Readonly<Record<string, string>> }
  | { readonly kind: "address"; readonly cidr: string }
  | { readonly kind: "fqdn"; readonly name: string }
  | { readonly kind: "entity"; readonly name: string }
);

/** Entities that are one peer; the others are many, and asked about one by one. */
const ENTITIES = ["world", "host", "remote-node", "kube-apiserver", "health", "init", "ingress", "unmanaged"];

/** What kinds may be called, as with kubectl. */
const KIND_WORDS: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ["Pod", "pod", "pods", "po"],
    ["Deployment", "deployment", "deployments", "deploy"],
    ["ReplicaSet", "replicaset", "replicasets", "rs"],
    ["StatefulSet", "statefulset", "statefulsets", "sts"],
    ["DaemonSet", "daemonset", "daemonsets", "ds"],
    ["ReplicationController", "replicationcontroller", "rc"],
    ["Job", "job", "jobs"],
    ["CronJob", "cronjob", "cronjobs", "cj"],
    ["Rollout", "rollout", "rollouts"],
    ["Service", "service", "services", "svc"],
  ].flatMap(([kind, ...words]) => words.map((word) => [word, kind!])),
);

const PORT = /^(.*):([a-z0-9-]+)(?:\/(tcp|udp|sctp))?$/i;

/** Throws an Error that says what is wrong and how to write it. */
export function parseTarget(text: string): Target {
  const [, prefix = "", rest = text] = /^(fqdn|entity|reserved|cidr|ip|pod|svc):(?!\d+$)(.+)$/.exec(text) ?? [];
  if (prefix === "" && isAddress(text)) return { kind: "address", cidr: text, text };
  const { body, asked } = splitPort(rest);
  const base = { text, ...(asked === undefined ? {} : { asked }) };
  if (prefix === "fqdn") return { ...base, kind: "fqdn", name: body.toLowerCase().replace(/\.$/, "") };
  if (prefix === "entity" || prefix === "reserved") return { ...base, kind: "entity", name: entityOf(body) };
  if (body.includes("=")) return { ...base, kind: "labels", labels: labelsOf(body) };
  const bare = body.replace(/^\[(.*)\]$/, "$1");
  if (isAddress(bare)) return { ...base, kind: "address", cidr: bare };
  if (prefix === "cidr" || prefix === "ip") throw new Error(`${text}: not an address or prefix: write 10.0.0.0/8`);
  return { ...base, ...nameOf(prefix === "" ? body : `${prefix}/${body}`, text) };
}

function isAddress(text: string): boolean {
  return parseCidr(text) !== undefined || parseAddress(text) !== undefined;
}

function splitPort(text: string): { body: string; asked?: AskedPort } {
  const [, body, port, protocol] = PORT.exec(text) ?? [];
  // A source of labels is no name before a port: `k8s:app=x`.
  if (body === undefined || port === undefined || body === "") return { body: text };
  const number = /^\d+$/.test(port) ? Number(port) : port.toLowerCase();
  if (typeof number === "number" && number > 65_535) throw new Error(`${text}: not a port: ${port}`);
  return { body, asked: { port: number, ...(protocol === undefined ? {} : { protocol: protocol.toUpperCase() }) } };
}

function entityOf(name: string): string {
  if (ENTITIES.includes(name)) return name;
  const many = ["all", "cluster"].includes(name) ? " is many peers: ask about one of them" : " is no entity";
  throw new Error(`entity:${name}${many}; one of ${ENTITIES.join(", ")}`);
}

function labelsOf(text: string): Record<string, string> {
  const labels = text.split(",").map((part): [string, string] => {
    const equals = part.indexOf("=");
    const key = part.slice(0, equals).replace(/^(k8s|any):/, "");
    if (equals < 1 || key === "") throw new Error(`${text}: not labels: write k8s:app=web,k8s:tier=front`);
    if (key.includes(":")) throw new Error(`${text}: pods have labels of the source k8s alone`);
    return [key, part.slice(equals + 1)];
  });
  return Object.fromEntries(labels);
}

function nameOf(body: string, text: string): { kind: "name"; namespace?: string; of?: string; name: string } {
  const parts = body.split("/");
  const kindOf = (word: string | undefined) => (word === undefined ? undefined : KIND_WORDS[word.toLowerCase()]);
  const [first, second, third] = parts;
  if (parts.some((part) => part === "") || parts.length > 3)
    throw new Error(
      `${text}: write NAME, NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME, labels, an address, fqdn:NAME or entity:NAME`,
    );
  if (third !== undefined) {
    const of = kindOf(second);
    if (of === undefined) throw new Error(`${text}: ${second} is no kind of workload`);
    return { kind: "name", namespace: first!, of, name: third };
  }
  if (second === undefined) return { kind: "name", name: first! };
  const of = kindOf(first);
  return of === undefined ? { kind: "name", namespace: first!, name: second } : { kind: "name", of, name: second };
}

/** `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6`, `VRRP` …: the IANA number. Throws for another. */
export function protocolOf(name: string): number {
  const number = protocolNumber(name);
  if (number === undefined || number === 0)
    throw new Error(
      `${name}: not a protocol; one of TCP, UDP, SCTP, ICMP, ICMPv6, IGMP, IPIP, IPv6, GRE, ESP, AH, VRRP`,
    );
  return number;
}
