import { formatAddress, parseCidr } from "../../model/cidr.ts";
import { formatLabels } from "../../model/label.ts";
import { fqdnLabelKey } from "../../model/selector.ts";
import { requiredFqdns } from "../../policy/repository.ts";
import type { ScenarioEndpoint } from "../../policy/scenario-format.ts";
import { partStarts } from "../address-samples.ts";
import { Cluster, endpointName, namespaceLabelsOf, titleOf } from "../cluster.ts";
import type { Inventory } from "../inventory.ts";
import { freeAddresses, knownPrefixes, narrowest } from "../outside.ts";
import { labelsOfWorkload } from "../party.ts";
import type { Workload } from "../workload.ts";
import { witnessesOf } from "./witness.ts";

/** Somebody who may be at one end of a connection, in both worlds. */
export interface DiffParty {
  /** `shop/deployment/cart`, `shop/any pod with app=x`, `10.0.0.0/8`, `fqdn:api.github.com`, `entity:world`. */
  readonly title: string;
  /** Empty = outside, or a node. */
  readonly namespace: string;
  /** Its name in both of the engine's worlds. */
  readonly name: string;
  /** `supposed` = a pod that nobody described. */
  readonly kind: "workload" | "supposed" | "outside" | "entity";
  /** A name outside is asked, and does not ask. */
  readonly isDestinationOnly: boolean;
}

/** Both sets with the same people in them. */
export interface SharedParties {
  readonly parties: readonly DiffParty[];
  readonly before: Inventory;
  readonly after: Inventory;
  readonly endpoints: readonly ScenarioEndpoint[];
  readonly fqdnCache: Readonly<Record<string, readonly string[]>>;
  /** What is there on one side alone, and supposed to be on the other too. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** Workloads whose labels or ports, as policy sees them, are not the same. */
  readonly moved: readonly string[];
  /** What was not tried, for there are too many ways. */
  readonly unasked: readonly string[];
}

/** Pairs of a name and a prefix that are tried. */
const MOST_NAMED_PARTS = 400;

/** Everybody whom the policies of either side tell apart. */
export function sharedParties(before: Inventory, after: Inventory): SharedParties {
  const [first, second] = [withOthers(before, after), withOthers(after, before)];
  const isThere = ({ workloads }: Inventory) => new Set(workloads.map(titleOf));
  const [was, is] = [isThere(before), isThere(after)];
  const bySecond = new Map(second.workloads.map((workload) => [titleOf(workload), workload]));
  const isSame = sameNamespaces(first, second);
  const moved = first.workloads
    .filter((workload) => {
      const other = bySecond.get(titleOf(workload))!;
      // Of the same object nobody need look at every label.
      if (
        isSame(workload.namespace) &&
        workload.object.value === other.object.value &&
        workload.ips.join() === other.ips.join()
      )
        return false;
      return seen(workload, first) !== seen(other, second);
    })
    .map(titleOf);
  const merged = { ...second, policies: [...before.policies, ...after.policies] };
  const witnesses = witnessesOf(merged, new Set(moved), titleOf);
  const outside = outsideOf(...([first, second].map(addressesOnly) as [Cluster, Cluster]));
  const parties: DiffParty[] = [
    ...first.workloads.filter(({ isHostNetwork }) => !isHostNetwork).map(workloadParty),
    ...witnesses.pods.map(supposedParty),
    ...outside.parties,
    ...ENTITIES.map(entityParty),
  ];
  return {
    parties,
    before: first,
    after: second,
    endpoints: witnesses.pods,
    fqdnCache: outside.fqdnCache,
    onlyBefore: [...was].filter((title) => !is.has(title)),
    onlyAfter: [...is].filter((title) => !was.has(title)),
    moved,
    unasked: [
      ...witnesses.unasked.map(
        (namespace) => `pods of ${namespace} that nobody described: too many kinds are told apart`,
      ),
      ...outside.unasked,
    ],
  };
}

/** Whether a namespace, and the cluster around it, give their pods the same labels on both sides. */
function sameNamespaces(first: Inventory, second: Inventory): (namespace: string) => boolean {
  const known = new Map<string, boolean>();
  const labelsIn = (inventory: Inventory, namespace: string) =>
    JSON.stringify([inventory.config.clusterName, namespaceLabelsOf(inventory, namespace)]);
  return (namespace) => {
    const isSame = known.get(namespace) ?? labelsIn(first, namespace) === labelsIn(second, namespace);
    known.set(namespace, isSame);
    return isSame;
  };
}

/** A world for addresses: those who have none are not looked for. */
function addressesOnly(inventory: Inventory): Cluster {
  return new Cluster({ ...inventory, workloads: inventory.workloads.filter(({ ips }) => ips.length > 0) });
}

/** The inventory with workloads and namespaces that only the other one has. */
function withOthers(own: Inventory, other: Inventory): Inventory {
  const known = new Set(own.workloads.map(titleOf));
  return {
    ...own,
    workloads: [...own.workloads, ...other.workloads.filter((workload) => !known.has(titleOf(workload)))],
    namespaces: new Map([...other.namespaces, ...own.namespaces]),
  };
}

/** What policy sees of a workload, as one text. */
function seen(workload: Workload, inventory: Inventory): string {
  const { ports, ips, isHostNetwork } = workload;
  const named = ports.filter(({ name }) => name !== undefined);
  return JSON.stringify([formatLabels(labelsOfWorkload(workload, inventory)), named, ips, isHostNetwork]);
}

function workloadParty(workload: Workload): DiffParty {
  const { namespace } = workload;
  const name = `${namespace}/${endpointName(workload)}`;
  return { title: titleOf(workload), namespace, name, kind: "workload", isDestinationOnly: false };
}

function supposedParty({ name, namespace = "" }: ScenarioEndpoint): DiffParty {
  const title = `${namespace}/${name}`;
  return { title, namespace, name: title, kind: "supposed", isDestinationOnly: false };
}

const ENTITIES = ["world", "host", "remote-node", "kube-apiserver", "ingress", "health", "init", "unmanaged"];

function entityParty(entity: string): DiffParty {
  const title = `entity:${entity}`;
  return { title, namespace: "", name: `reserved:${entity}`, kind: "entity", isDestinationOnly: false };
}

interface Outside {
  readonly parties: readonly DiffParty[];
  readonly fqdnCache: Readonly<Record<string, readonly string[]>>;
  readonly unasked: readonly string[];
}

/** Whoever an address is in each of the two worlds. */
type Identities = (name: string) => string;

/** Each part of the address space that the two together tell apart, and each name. */
function outsideOf(before: Cluster, after: Cluster): Outside {
  const everywhere = before.inventory.config.enableIPv6 === true ? ["0.0.0.0/0", "::/0"] : ["0.0.0.0/0"];
  const worlds = [before, after];
  const prefixes = worlds.flatMap(knownPrefixes);
  const identities: Identities = (name) => worlds.map(({ engine }) => engine.world.find(name)!.identity).join();
  const isPod = (address: string) => worlds.some(({ engine }) => engine.world.find(address)!.isEndpoint);
  const byIdentities = new Map([[identities("reserved:world"), ""]]);
  for (const outer of everywhere) {
    for (const address of partStarts(parseCidr(outer)!, prefixes)) {
      const key = identities(address);
      if (!byIdentities.has(key) && !isPod(address)) byIdentities.set(key, address);
    }
  }
  const parts = [...byIdentities.values()]
    .filter((address) => address !== "")
    .map((address) => outsider(narrowest(address, prefixes) ?? address, address));
  const names = [...new Set(worlds.flatMap(({ engine }) => requiredFqdns(engine.repository).map(fqdnLabelKey)))];
  const free = freeAddresses(prefixes);
  const plain = names.map((name) => ({ name, party: outsider(`fqdn:${name}`, free.next().value!, true) }));
  const { named, unasked } = namesInParts(worlds, names, parts, identities);
  const fqdnCache: Record<string, string[]> = {};
  for (const { name, party } of [...plain, ...named]) {
    const asked = name.replaceAll("*", "any").toLowerCase();
    fqdnCache[asked] = [...(fqdnCache[asked] ?? []), party.name];
  }
  return { parties: [...parts, ...[...plain, ...named].map(({ party }) => party)], fqdnCache, unasked };
}

function outsider(title: string, address: string, isDestinationOnly = false): DiffParty {
  return { title, namespace: "", name: address, kind: "outside", isDestinationOnly };
}

interface NamedParty {
  readonly name: string;
  readonly party: DiffParty;
}

/** Names at addresses of prefixes. Where all rules allow, what a name and a prefix do together one of them does alone. */
function namesInParts(
  worlds: readonly Cluster[],
  names: readonly string[],
  parts: readonly DiffParty[],
  identities: Identities,
): { named: NamedParty[]; unasked: string[] } {
  const elements = worlds.flatMap(({ inventory }) =>
    inventory.policies.flatMap(({ rules }) => rules.flatMap((rule) => rule.elements)),
  );
  if (names.length === 0 || elements.every(({ verdict }) => verdict === "allow")) return { named: [], unasked: [] };
  if (names.length * parts.length > MOST_NAMED_PARTS)
    return { named: [], unasked: [`${names.length} names in each of ${parts.length} prefixes: too many to try`] };
  const named: NamedParty[] = [];
  const unasked: string[] = [];
  for (const part of parts) {
    const addresses = addressesBehind(part.name, names.length).filter(
      (address) => identities(address) === identities(part.name),
    );
    if (addresses.length < names.length) unasked.push(`names at ${part.title}: it has too few addresses to try them`);
    else
      for (const [index, name] of names.entries())
        named.push({ name, party: outsider(`fqdn:${name} in ${part.title}`, addresses[index]!, true) });
  }
  return { named, unasked };
}

/** As many addresses as are asked for, right behind one. */
function addressesBehind(address: string, count: number): string[] {
  const bytes = Uint8Array.from(parseCidr(address)!.bytes);
  return Array.from({ length: count }, () => {
    for (let index = bytes.length - 1; index >= 0; index--) {
      bytes[index] = (bytes[index]! + 1) & 255;
      if (bytes[index] !== 0) break;
    }
    return formatAddress(bytes);
  });
}
