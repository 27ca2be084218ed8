import { CLUSTER_LABEL, NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL } from "../../model/identity.ts";
import type { RecordedParty } from "../replay/party.ts";

/** Labels of one roll-out, pod, run or release: what has them now has others tomorrow. */
const PASSING =
  /^(pod-template-hash|controller-revision-hash|pod-template-generation|controller-uid|job-name|rollouts-pod-template-hash|version|release|heritage|chart|batch\.kubernetes\.io\/.*|statefulset\.kubernetes\.io\/pod-name|apps\.kubernetes\.io\/pod-index|helm\.sh\/.*|app\.kubernetes\.io\/(version|managed-by)|topology\.kubernetes\.io\/.*|kubernetes\.io\/hostname)$/;
/** Labels that people use to say what a workload is. */
const TELLING = [
  "app.kubernetes.io/name",
  "app.kubernetes.io/instance",
  "app.kubernetes.io/component",
  "k8s-app",
  "app",
  "component",
  "name",
  "run",
];

export type MatchLabels = Readonly<Record<string, string>>;

const lastingOf = new WeakMap<RecordedParty, ReadonlyMap<string, string>>();

/** Labels of the pod's own that last, without those of its namespace. */
function lastingLabels(party: RecordedParty): ReadonlyMap<string, string> {
  const known = lastingOf.get(party) ?? readLasting(party);
  lastingOf.set(party, known);
  return known;
}

function readLasting({ labels }: RecordedParty): Map<string, string> {
  const found = new Map<string, string>();
  for (const label of labels) {
    const [, key, value] = /^k8s:([^=]+)=?(.*)$/s.exec(label) ?? [];
    if (key === undefined || key.startsWith("io.kubernetes.") || key.startsWith("io.cilium.")) continue;
    if (!PASSING.test(key)) found.set(key, value ?? "");
  }
  return found;
}

function labelValue({ labels }: RecordedParty, key: string): string {
  const start = `k8s:${key}=`;
  return labels.find((label) => label.startsWith(start))?.slice(start.length) ?? "";
}

function selects(wanted: MatchLabels, labels: ReadonlyMap<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels.get(key) === value);
}

/**
 * Labels by which a pod is selected in its namespace: those that say what it is, where they are enough to tell it from `others`; else all that last;
 * else its service account. Empty = every pod of the namespace.
 */
export function selectorOf(party: RecordedParty, others: readonly RecordedParty[]): MatchLabels {
  const known = selectors.get(others)?.get(party) ?? findSelector(party, others);
  if (!selectors.has(others)) selectors.set(others, new Map());
  selectors.get(others)!.set(party, known);
  return known;
}

/** For one list of others it is always the same. */
const selectors = new WeakMap<readonly RecordedParty[], Map<RecordedParty, MatchLabels>>();

function findSelector(party: RecordedParty, others: readonly RecordedParty[]): MatchLabels {
  const lasting = lastingLabels(party);
  const telling = Object.fromEntries(TELLING.flatMap((key) => (lasting.has(key) ? [[key, lasting.get(key)!]] : [])));
  const all = Object.fromEntries(lasting);
  const strangers = others
    .filter((each) => each.kind === "pod" && each.namespace === party.namespace && each.title !== party.title)
    .map(lastingLabels);
  const caught = (wanted: MatchLabels) => strangers.filter((each) => selects(wanted, each)).length;
  if (Object.keys(telling).length > 0 && caught(telling) <= caught(all)) return telling;
  if (lasting.size > 0) return all;
  const account = labelValue(party, SERVICE_ACCOUNT_LABEL);
  return account === "" ? {} : { [SERVICE_ACCOUNT_LABEL]: account };
}

/** The same for a peer, seen from another namespace or cluster. */
export function peerSelectorOf(
  party: RecordedParty,
  others: readonly RecordedParty[],
  subject: RecordedParty,
): MatchLabels {
  const own = selectorOf(party, others);
  return {
    ...(party.namespace === subject.namespace ? {} : { [NAMESPACE_LABEL]: party.namespace }),
    ...(party.cluster === subject.cluster ? {} : { [CLUSTER_LABEL]: party.cluster }),
    ...own,
  };
}
