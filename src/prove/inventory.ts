import { CLUSTER_NAME } from "../model/addresses.ts";
import { identityLabelsOfPod } from "../model/identity.ts";
import { formatLabels } from "../model/label.ts";
import { formatFieldError, isObject } from "../policy/field.ts";
import { POLICY_KINDS, parseCidrGroup, parsePolicy } from "../policy/parse.ts";
import type { FieldWarning, PolicyKey, Rule } from "../policy/rule.ts";
import type { ScenarioConfig } from "../policy/scenario-format.ts";
import {
  type KnownDocuments,
  type ManifestObject,
  type ManifestText,
  type Place,
  POLICY_LIKE,
  type Problem,
  readManifests,
} from "./manifest.ts";
import { readBackends, readService, type Service } from "./service.ts";
import { fieldAt, readWorkload, textMap, type Workload } from "./workload.ts";

/** A policy that is in force. */
export interface PolicyObject {
  readonly key: PolicyKey;
  readonly rules: readonly Rule[];
  readonly warnings: readonly FieldWarning[];
  /** As the engine reads it: with its namespace. */
  readonly value: unknown;
  readonly object: ManifestObject;
}

/** Labels that a Namespace object gives to its namespace. */
export interface DeclaredNamespace {
  readonly labels: Readonly<Record<string, string>>;
  readonly object: ManifestObject;
}

/** All that matters to policy, as the objects of a folder describe it. */
export interface Inventory {
  readonly workloads: readonly Workload[];
  readonly namespaces: ReadonlyMap<string, DeclaredNamespace>;
  readonly services: readonly Service[];
  /** `namespace/name` of a service -> addresses behind it. */
  readonly backends: ReadonlyMap<string, readonly string[]>;
  readonly policies: readonly PolicyObject[];
  /** Groups of prefixes. */
  readonly groups: readonly ManifestObject[];
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly problems: readonly Problem[];
  /** Objects that say nothing of policy, or that are not modelled, counted by kind. */
  readonly leftAlone: ReadonlyMap<string, number>;
  readonly config: ScenarioConfig;
  /** Where settings come from that nobody gave, to be told. */
  readonly settings?: string;
}

export interface InventoryOptions {
  /** Of objects that name none; default `default`. */
  readonly namespace?: string;
  readonly config?: ScenarioConfig;
  /** Shared by inventories that have much in common. */
  readonly known?: KnownDocuments;
}

const CLUSTERWIDE = new Set("Namespace CiliumClusterwideNetworkPolicy ClusterNetworkPolicy CiliumCIDRGroup".split(" "));

/** Reads the texts and sorts out what is in them. Never throws: `problems` says what is wrong. */
export function takeInventory(texts: readonly ManifestText[], options: InventoryOptions = {}): Inventory {
  const { objects, problems } = readManifests(texts, {}, options.known);
  const stock = new Stocktaking(options, [...problems]);
  for (const object of stock.distinct(objects)) stock.add(object);
  return stock.finish();
}

/** The same inventory in a cluster of this name: what its policies mean hangs on it. */
export function inClusterNamed(inventory: Inventory, clusterName: string): Inventory {
  return withConfig(inventory, { ...inventory.config, clusterName });
}

/** The same inventory in a cluster of these settings. */
export function withConfig(inventory: Inventory, config: ScenarioConfig): Inventory {
  const { clusterName = CLUSTER_NAME, nodeSelectorLabels = false } = config;
  const policies = inventory.policies.map((policy): PolicyObject => {
    const parsed = parsePolicy(policy.value, { clusterName, nodeSelectorLabels });
    return parsed.ok ? { ...policy, key: parsed.key, rules: parsed.rules, warnings: parsed.warnings } : policy;
  });
  return { ...inventory, config, policies };
}

type ParsedPolicy = ReturnType<typeof parsePolicy>;

interface KnownPolicy {
  readonly surroundings: string;
  readonly parsed: ParsedPolicy;
  /** As it was parsed: with its namespace. */
  readonly value: unknown;
}

/** Policies by the objects that they were read from. */
const parsedBefore = new WeakMap<object, KnownPolicy>();

interface KnownWorkload {
  readonly namespace: string;
  readonly workload: Workload | undefined;
}

/** The same of what else may have pods, where nothing is wrong with it. */
const workloadsBefore = new WeakMap<object, KnownWorkload>();

class Stocktaking {
  private readonly namespace: string;
  private readonly isNamespaceGiven: boolean;
  private readonly config: ScenarioConfig;
  private readonly problems: Problem[];
  private readonly workloads: Workload[] = [];
  private readonly namespaces = new Map<string, DeclaredNamespace>();
  private readonly services: Service[] = [];
  private readonly backends = new Map<string, string[]>();
  private readonly policies: PolicyObject[] = [];
  private readonly groups: ManifestObject[] = [];
  private readonly secrets: Record<string, Record<string, string>> = {};
  private readonly leftAlone = new Map<string, number>();

  constructor({ namespace, config = {} }: InventoryOptions, problems: Problem[]) {
    this.namespace = namespace ?? "default";
    this.isNamespaceGiven = namespace !== undefined;
    this.config = config;
    this.problems = problems;
  }

  /** One name is one object: two that differ leave open which of them is meant. */
  distinct(objects: readonly ManifestObject[]): ManifestObject[] {
    const byName = new Map<string, ManifestObject>();
    const kept: ManifestObject[] = [];
    for (const object of objects) {
      const { kind, name, apiVersion, place } = object;
      const isGenerated = fieldAt(object.value, "metadata.name") === undefined;
      const id = [apiVersion.split("/")[0], kind, this.namespaceOf(object), name].join("\n");
      const known = isGenerated ? undefined : byName.get(id);
      if (known === undefined) {
        byName.set(id, object);
        kept.push(object);
        continue;
      }
      const where = `${known.place.file}:${known.place.line}`;
      const isSame = JSON.stringify(known.value) === JSON.stringify(object.value);
      this.say(
        isSame ? "warning" : "error",
        place,
        isSame
          ? `${kind} ${name} stands here again as in ${where}`
          : `${kind} ${name} is another one than in ${where}: give one of them only (of overlays, what \`kustomize build\` prints)`,
      );
    }
    return kept;
  }

  add(object: ManifestObject): void {
    const { kind, name } = object;
    const namespace = this.namespaceOf(object);
    if (POLICY_KINDS.includes(kind) || (POLICY_LIKE.test(kind) && kind !== "CiliumCIDRGroup")) this.addPolicy(object);
    else if (kind === "CiliumCIDRGroup") this.addGroup(object);
    else if (kind === "Namespace")
      this.namespaces.set(name, { labels: textMap(object, "metadata.labels", this.problems), object });
    else if (kind === "Service" && object.apiVersion === "v1")
      this.services.push(readService(object, namespace, this.problems));
    else if (kind === "Endpoints" || kind === "EndpointSlice") this.addBackends(object, namespace);
    else if (kind === "Secret") this.addSecret(object, namespace);
    else {
      const workload = this.workloadOf(object, namespace);
      if (workload !== undefined) this.workloads.push(workload);
      else this.leftAlone.set(kind, (this.leftAlone.get(kind) ?? 0) + 1);
    }
  }

  finish(): Inventory {
    const { namespaces, services, backends, policies, groups, secrets, problems, leftAlone, config } = this;
    const workloads = withoutOwned(this.workloads);
    this.doubtNamespace(workloads);
    return { workloads, namespaces, services, backends, policies, groups, secrets, problems, leftAlone, config };
  }

  /** What `helm template` prints mostly names no namespace: policies that do would be for nobody, and nobody would see it. */
  private doubtNamespace(workloads: readonly Workload[]): void {
    const nameless = workloads.filter(({ object }) => object.namespace === "");
    const [first] = nameless;
    if (first === undefined || this.isNamespaceGiven) return;
    const described = new Set(workloads.map(({ namespace }) => namespace));
    const idle = this.policies.filter(({ key }) => key.namespace !== "" && !described.has(key.namespace));
    if (idle.length === 0) return;
    const names = [...new Set(idle.map(({ key }) => key.namespace))].sort();
    const message = `workloads without a namespace (${nameless.length}) are taken to be in ${this.namespace}, and policies (${idle.length}) are for ${names.join(", ")}, of which nothing is described: say -n ${names[0]} if that is where they go`;
    this.problems.unshift({ severity: "warning", ...first.object.place, message });
  }

  private namespaceOf({ kind, namespace }: ManifestObject): string {
    return CLUSTERWIDE.has(kind) ? "" : namespace || this.namespace;
  }

  private say(severity: Problem["severity"], place: Place, message: string): void {
    this.problems.push({ severity, ...place, message });
  }

  private workloadOf(object: ManifestObject, namespace: string): Workload | undefined {
    const known = workloadsBefore.get(object.value);
    if (known?.namespace === namespace) {
      const { workload } = known;
      return workload === undefined || workload.object === object ? workload : { ...workload, object };
    }
    const { length } = this.problems;
    const workload = readWorkload(object, namespace, this.problems);
    if (this.problems.length === length) workloadsBefore.set(object.value, { namespace, workload });
    return workload;
  }

  private addPolicy(object: ManifestObject): void {
    const { parsed, value } = this.parse(object, this.namespaceOf(object));
    if (!parsed.ok) {
      for (const error of parsed.errors)
        this.say("error", object.placeOf(error.field), `${object.kind} ${object.name}: ${formatFieldError(error)}`);
      return;
    }
    const { key, rules, warnings } = parsed;
    this.policies.push({ key, rules, warnings, value, object });
  }

  /** What was read before is not parsed again, where the same object comes from the same text. */
  private parse(object: ManifestObject, namespace: string): KnownPolicy {
    const { clusterName = CLUSTER_NAME, nodeSelectorLabels = false } = this.config;
    const surroundings = JSON.stringify([clusterName, nodeSelectorLabels, namespace]);
    const known = parsedBefore.get(object.value);
    if (known?.surroundings === surroundings) return known;
    const { metadata } = object.value;
    const isScoped = namespace === "" || object.namespace !== "";
    const value = isScoped ? object.value : { ...object.value, metadata: { ...(metadata as object), namespace } };
    const made = { surroundings, parsed: parsePolicy(value, { clusterName, nodeSelectorLabels }), value };
    parsedBefore.set(object.value, made);
    return made;
  }

  private addGroup(object: ManifestObject): void {
    const parsed = parseCidrGroup(object.value);
    if (parsed.ok) this.groups.push(object);
    else
      for (const error of parsed.errors)
        this.say("error", object.placeOf(error.field), `${object.kind} ${object.name}: ${formatFieldError(error)}`);
  }

  private addBackends(object: ManifestObject, namespace: string): void {
    const { service, addresses } = readBackends(object);
    const id = `${namespace}/${service}`;
    this.backends.set(id, [...(this.backends.get(id) ?? []), ...addresses]);
  }

  private addSecret({ name, value }: ManifestObject, namespace: string): void {
    const items: Record<string, string> = {};
    for (const [key, text] of Object.entries(isObject(value["data"]) ? value["data"] : {}))
      if (typeof text === "string" && /^[\w+/=\s]*$/.test(text)) items[key] = decoded(text);
    for (const [key, text] of Object.entries(isObject(value["stringData"]) ? value["stringData"] : {}))
      if (typeof text === "string") items[key] = text;
    this.secrets[`${namespace}/${name}`] = items;
  }
}

/** What base64 says; text that is none of it is taken for no value. */
function decoded(text: string): string {
  try {
    return atob(text.replace(/\s/g, ""));
  } catch {
    return "";
  }
}

interface Owner {
  readonly kind: string;
  readonly name: string;
}

function ownerOf({ object }: Workload): Owner | undefined {
  const list = fieldAt(object.value, "metadata.ownerReferences");
  const owner = Array.isArray(list) ? list.find((each) => fieldAt(each, "controller") === true) : undefined;
  const [kind, name] = [fieldAt(owner, "kind"), fieldAt(owner, "name")];
  return typeof kind === "string" && typeof name === "string" ? { kind, name } : undefined;
}

/** What a cluster lists has pods beside their owners. A pod that differs from its owner to policy stays one of its own. */
function withoutOwned(workloads: readonly Workload[]): Workload[] {
  const idOf = (namespace: string, { kind, name }: Owner) => [namespace, kind, name].join("\n");
  const byId = new Map(workloads.map((workload) => [idOf(workload.namespace, workload), workload]));
  const owned = new Map<Workload, Workload[]>();
  const kept = workloads.filter((workload) => {
    let root = workload;
    for (let steps = 0; steps < 8; steps++) {
      const owner = ownerOf(root);
      const next = owner && byId.get(idOf(root.namespace, owner));
      if (next === undefined) break;
      root = next;
    }
    if (root === workload || (workload.kind === "Pod" && labelText(root) !== labelText(workload))) return true;
    owned.set(root, [...(owned.get(root) ?? []), workload]);
    return false;
  });
  return kept.map((workload) => {
    const below = owned.get(workload) ?? [];
    const ips = [...new Set([workload, ...below].flatMap((each) => each.ips))];
    return { ...workload, ips, pods: below.filter(({ kind }) => kind === "Pod").map(({ name }) => name) };
  });
}

/** The labels that tell its identity from others, as one text. */
function labelText({ labels, namespace, serviceAccount }: Workload): string {
  const facts = { podLabels: labels, namespace, namespaceLabels: {}, serviceAccount, cluster: CLUSTER_NAME };
  return formatLabels(identityLabelsOfPod(facts)).join("\n");
}
