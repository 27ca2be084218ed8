import { CLUSTER_LABEL, NAMESPACE_LABEL, reservedIdentityLabels } from "../../model/identity.ts";
import { FIRST_LOCAL_IDENTITY, FIRST_REMOTE_NODE_IDENTITY } from "../../model/identity-scope.ts";
import { formatLabels } from "../../model/label.ts";
import type { Distinctions } from "./distinctions.ts";
import type { RecordedEnd } from "./recorded-flow.ts";

/** Somebody at an end of recorded flows, as far as policies tell people apart. */
export interface RecordedParty {
  readonly key: string;
  /** What people call it: `shop/deployment/cart`, `fqdn:api.example.com`, `10.0.0.0/8`, `entity:host`. */
  title: string;
  /** Whether the title is the workload's own, or was made of a pod's name or labels. */
  hasOwnTitle: boolean;
  readonly kind: "pod" | "outside" | "entity" | "unknown";
  /** Recorded ones, sorted; those of outsiders are the recorder's, and another policy gives others. */
  readonly labels: readonly string[];
  /** Empty = no pod. */
  readonly namespace: string;
  /** Of pods. */
  readonly cluster: string;
  /** One that was seen; for outsiders all in their part of the addresses are alike. */
  readonly address: string;
  /** Of outsiders, those that `toFQDNs` select. */
  readonly names: readonly string[];
  /** Whether any name of its address is known, selected or not. */
  readonly isNamed: boolean;
}

const POD = `k8s:${NAMESPACE_LABEL}=`;
const CLUSTER = `k8s:${CLUSTER_LABEL}=`;
const API_SERVER = "reserved:kube-apiserver";
/** What controllers put behind the name of what they make pods from. */
const POD_SUFFIX = /(-[a-z0-9]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}$|-\d+$/;

/** Who it is. `more` are names of its address that other flows told. */
export function partyOf(end: RecordedEnd, distinctions: Distinctions, more: Iterable<string> = []): RecordedParty {
  const { address, identity } = end;
  const labels = end.labels.length > 0 ? end.labels : formatLabels(reservedIdentityLabels(identity) ?? []);
  const base = { labels, namespace: "", cluster: "", address, names: [], isNamed: false, hasOwnTitle: true };
  const pod = labels.find((label) => label.startsWith(POD));
  if (pod !== undefined) return podOf(end, pod.slice(POD.length));
  const isLocal = identity >= FIRST_LOCAL_IDENTITY && identity < FIRST_REMOTE_NODE_IDENTITY;
  if (labels.some((label) => /^reserved:world/.test(label)) || (labels.length === 0 && isLocal)) {
    if (address === "") return { ...base, key: "?", title: "somebody outside without an address", kind: "unknown" };
    return outsiderOf(base, distinctions, [...end.names, ...more]);
  }
  const reserved = labels.filter((label) => label.startsWith("reserved:") && label !== "reserved:unknown");
  if (reserved.length === 0) return { ...base, key: `? ${address}`, title: address || "somebody", kind: "unknown" };
  const isNode = reserved.find((label) => label !== API_SERVER) ?? API_SERVER;
  const title = `entity:${isNode.slice("reserved:".length)}${reserved.length > 1 ? " (API server)" : ""}`;
  return { ...base, labels: reserved, key: reserved.join(), title, kind: "entity" };
}

function outsiderOf(
  base: Omit<RecordedParty, "key" | "title" | "kind">,
  distinctions: Distinctions,
  told: readonly string[],
): RecordedParty {
  const cell = distinctions.cellOf(base.address);
  const names = distinctions.namesOf(told);
  const isApiServer = base.labels.includes(API_SERVER);
  const known = names[0] ?? told[0];
  const title = isApiServer
    ? `entity:kube-apiserver (${base.address})`
    : known === undefined
      ? titleOfCell(cell)
      : `fqdn:${known}`;
  const labels = base.labels.filter((label) => label.startsWith("reserved:"));
  // one prefix may stand for names that no policy selects: they are one to policy, and shown by the first
  const isNamed = told.length > 0;
  const named = distinctions.looksAtNames && isNamed ? `named ${names.join()}` : "";
  return { ...base, labels, names, isNamed, title, key: `${isApiServer} ${cell} ${named}`, kind: "outside" };
}

function titleOfCell(cell: string): string {
  return cell.endsWith("/0") ? "entity:world" : cell.replace(/\/(32|128)$/, "");
}

function podOf({ labels, podName, workload, address }: RecordedEnd, namespace: string): RecordedParty {
  const owner = podName.slice(podName.indexOf("/") + 1).replace(POD_SUFFIX, "");
  const own = labels.filter((label) => label.startsWith("k8s:") && !label.startsWith("k8s:io."));
  const made = workload && `${workload.kind.toLowerCase()}/${workload.name}`;
  const name = made ?? (owner === "" ? `pod with ${own.map((each) => each.slice(4)).join(",")}` : `pod/${owner}`);
  const title = `${namespace}/${name}`;
  const cluster = labels.find((label) => label.startsWith(CLUSTER))?.slice(CLUSTER.length) ?? "";
  // the recorder of one end knows the workload of the other only by chance
  const key = labels.join();
  return {
    key,
    title,
    hasOwnTitle: made !== undefined,
    kind: "pod",
    labels,
    namespace,
    cluster,
    address,
    names: [],
    isNamed: false,
  };
}
