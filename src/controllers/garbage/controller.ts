import * as kube from "../../kube/client/index.ts";
import { KubeError, type KubeObject, type OwnerReference, type ResourceRef } from "../../kube/client/index.ts";
import { type ApiResource, discover } from "../api-resources.ts";
import type { ControllerContext } from "../context.ts";
import { stays } from "../objects.ts";
import { type Entry, OwnerGraph } from "./graph.ts";
import { blocks, isForegroundDeletion, isOrphaning, judge, type OwnerState, servedFinalizers } from "./reconcile.ts";

/** Built-in resources whose objects own or are owned. Custom resources join when their definition is there. */
const WATCHED: readonly ResourceRef[] = [
  kube.Pods,
  kube.Services,
  kube.Endpoints,
  kube.EndpointSlices,
  kube.ConfigMaps,
  kube.ServiceAccounts,
  kube.Nodes,
  kube.Deployments,
  kube.ReplicaSets,
  kube.DaemonSets,
  kube.StatefulSets,
  kube.ControllerRevisions,
  kube.Jobs,
  kube.CronJobs,
  kube.Secrets,
  kube.NetworkPolicies,
];

/** Deletes what has lost all its owners; serves deletion in the foreground and the one that leaves orphans. */
export function startGarbageCollector(context: ControllerContext): void {
  const graph = new OwnerGraph();
  const collector = new Collector(context, graph);
  const watched = new Set<string>();
  const queue = context.queue("garbage-collector", (uid) => collector.sync(uid), 16);
  collector.lookAgain = (uid) => queue.add(uid);

  function learn(ref: ResourceRef, object: KubeObject): void {
    graph.put(ref, object);
    const { uid = "", ownerReferences = [] } = object.metadata;
    if (ownerReferences.length > 0 || !stays(object)) queue.add(uid);
    for (const owner of ownerReferences) if (graph.get(owner.uid)) queue.add(owner.uid);
  }

  function forget({ metadata }: KubeObject): void {
    const { uid = "", ownerReferences = [] } = metadata;
    graph.remove(uid);
    for (const { object } of graph.dependentsOf(uid)) queue.add(object.metadata.uid ?? "");
    for (const owner of ownerReferences) queue.add(owner.uid);
  }

  function watch(ref: ResourceRef): void {
    const id = `${ref.group}/${ref.resource}`;
    if (watched.has(id)) return;
    watched.add(id);
    context.cache(ref).on({
      onAdd: (object) => learn(ref, object),
      onUpdate: (_, object) => learn(ref, object),
      onDelete: forget,
    });
  }

  for (const ref of WATCHED) watch(ref);
  context.cache(kube.CustomResourceDefinitions).on({
    onAdd: (definition) => watchCustom(definition, watch),
    onUpdate: (_, definition) => watchCustom(definition, watch),
  });
}

interface DefinitionSpec {
  readonly group: string;
  readonly scope: string;
  readonly names: { readonly plural: string };
  readonly versions: readonly { readonly name: string; readonly storage: boolean }[];
}

function watchCustom(definition: KubeObject, watch: (ref: ResourceRef) => void): void {
  const { group, scope, names, versions } = definition.spec as DefinitionSpec;
  const version = versions.find((item) => item.storage)?.name;
  if (version) watch({ group, version, resource: names.plural, namespaced: scope === "Namespaced" });
}

class Collector {
  readonly #context: ControllerContext;
  readonly #graph: OwnerGraph;
  #resources: readonly ApiResource[] | undefined;
  lookAgain: (uid: string) => void = () => {};

  constructor(context: ControllerContext, graph: OwnerGraph) {
    this.#context = context;
    this.#graph = graph;
  }

  /** Judges one object by its uid. */
  async sync(uid: string): Promise<void> {
    const entry = this.#graph.get(uid);
    if (!entry) return;
    if (isOrphaning(entry.object)) return this.#orphan(entry);
    if (isForegroundDeletion(entry.object)) return this.#deleteDependents(entry);
    const owners = entry.object.metadata.ownerReferences ?? [];
    if (owners.length === 0 || !stays(entry.object)) return;
    const states = new Map<string, OwnerState>();
    for (const owner of owners) states.set(owner.uid, await this.#stateOf(owner, entry.object));
    await this.#carryOut(
      entry,
      judge(entry.object, (owner) => states.get(owner.uid) ?? "gone"),
    );
  }

  /** The cache says that an owner is there; that it is gone is believed only of the server. */
  async #stateOf(owner: OwnerReference, dependent: KubeObject): Promise<OwnerState> {
    const known = this.#graph.get(owner.uid)?.object ?? (await this.#fetch(owner, dependent));
    if (!known) return "gone";
    return isForegroundDeletion(known) && owner.blockOwnerDeletion === true ? "waiting" : "present";
  }

  async #fetch(owner: OwnerReference, dependent: KubeObject): Promise<KubeObject | undefined> {
    const resource = await this.#resourceOf(owner);
    // An owner of an unknown kind is not held against its dependents.
    if (!resource)
      throw new Error(
        `no resource serves the owner \`${owner.apiVersion} ${owner.kind}\` of ${dependent.metadata.name}`,
      );
    try {
      const namespace = resource.namespaced ? dependent.metadata.namespace : undefined;
      const found = await this.#context.client.get(resource, owner.name, namespace);
      return found.metadata.uid === owner.uid ? found : undefined;
    } catch (error) {
      if (error instanceof KubeError && error.code === 404) return undefined;
      throw error;
    }
  }

  async #resourceOf({ apiVersion, kind }: OwnerReference): Promise<ApiResource | undefined> {
    const find = (): ApiResource | undefined => {
      const [version, group = ""] = apiVersion.split("/").reverse();
      return this.#resources?.find((item) => item.group === group && item.version === version && item.kind === kind);
    };
    const known = find();
    if (known) return known;
    this.#resources = await discover(this.#context.client);
    return find();
  }

  async #carryOut({ ref, object }: Entry, verdict: ReturnType<typeof judge>): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const scope = namespace ? { namespace } : {};
    if (verdict.kind === "delete") {
      const preconditions = uid ? { preconditions: { uid } } : {};
      await this.#context.client.delete(ref, name, { ...scope, ...preconditions, propagationPolicy: verdict.policy });
    } else if (verdict.kind === "disown") {
      const patch = { metadata: { uid, resourceVersion, ownerReferences: verdict.ownerReferences } };
      await this.#context.client.patch(ref, name, patch, { ...scope, type: "merge" });
    }
  }

  async #release({ ref, object }: Entry): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const patch = { metadata: { uid, resourceVersion, finalizers: servedFinalizers(object) } };
    await this.#context.client.patch(ref, name, patch, { ...(namespace ? { namespace } : {}), type: "merge" });
  }

  async #deleteDependents(entry: Entry): Promise<void> {
    const uid = entry.object.metadata.uid ?? "";
    const dependents = this.#graph.dependentsOf(uid);
    for (const { object } of dependents) if (stays(object)) this.lookAgain(object.metadata.uid ?? "");
    if (!dependents.some(({ object }) => blocks(object, uid))) await this.#release(entry);
  }

  async #orphan(entry: Entry): Promise<void> {
    const uid = entry.object.metadata.uid ?? "";
    await Promise.all(
      this.#graph.dependentsOf(uid).map(({ ref, object }) => {
        const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
        return this.#carryOut({ ref, object }, { kind: "disown", ownerReferences });
      }),
    );
    await this.#release(entry);
  }
}
