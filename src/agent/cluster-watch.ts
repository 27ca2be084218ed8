import { equalJson, fieldsOf, listOf } from "../kube/object.ts";
import { claimOf, type NamedPort } from "./cilium-endpoint.ts";
import type { CiliumEndpointWriter } from "./cilium-endpoint-writer.ts";
import { podKey } from "./endpoint.ts";
import type { EndpointLifecycle } from "./endpoint-lifecycle.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import type { RemoteEndpoints } from "./flow-view.ts";
import { type IdentityAllocator, labelsOfIdentity, sameLabels } from "./identity-allocator.ts";
import type { IdentityTable } from "./identity-table.ts";
import type { IpcacheSources } from "./ipcache-sources.ts";
import { type KubeObject, objectKey } from "./kube.ts";
import type { InputHandler, KubeInputs } from "./kube-inputs.ts";
import type { PodKnowledge } from "./pod-knowledge.ts";
import type { PolicySync } from "./policy-sync.ts";
import type { PolicyEngine } from "./ports.ts";
import type { Reconciler } from "./reconciler.ts";
import type { Retry } from "./retry.ts";

export interface WatchParts {
  readonly nodeAddress: string;
  readonly inputs: KubeInputs;
  readonly engine: PolicyEngine;
  readonly table: EndpointTable;
  readonly identities: IdentityTable;
  readonly sources: IpcacheSources;
  readonly reconciler: Reconciler;
  readonly lifecycle: EndpointLifecycle;
  readonly allocator: IdentityAllocator;
  readonly pods: PodKnowledge;
  readonly remote: RemoteEndpoints;
  readonly writer: CiliumEndpointWriter;
  readonly policies: PolicySync;
  readonly clusterwidePolicies: PolicySync;
  readonly networkPolicies: PolicySync;
  readonly clusterNetworkPolicies: PolicySync;
  readonly retry: Retry;
  /** Things that `prepare` recomputes before the next regeneration. */
  readonly stale: { nodes: boolean; services: boolean; cidrs: boolean };
  readonly nodeChanged: () => void;
  readonly refused: (what: string, error: Error) => void;
}

function identityHandler(parts: WatchParts): InputHandler {
  const local = (id: number) => parts.table.all().filter((endpoint) => endpoint.identity === id);
  return {
    changed: (object) => {
      const id = Number(object.metadata.name);
      const labels = labelsOfIdentity(object);
      for (const endpoint of local(id)) {
        // Somebody took the number for other labels while it was gone: this endpoint needs another one.
        if (!sameLabels(endpoint.labels, labels)) parts.lifecycle.reallocate(endpoint, endpoint.labels);
      }
      if (parts.identities.learn(id, labels)) parts.reconciler.regenerateAll();
    },
    removed: (object) => {
      const id = Number(object.metadata.name);
      const user = local(id)[0];
      if (user === undefined) parts.identities.forget(id);
      else parts.retry.run(`identity ${id}`, () => parts.allocator.recreate(id, user.labels));
      parts.reconciler.schedule();
    },
  };
}

/** Named ports of the pods of each identity; tells the engine what changed. */
class NamedPorts {
  private readonly byIdentity = new Map<number, Map<string, readonly NamedPort[]>>();
  private readonly identityOf = new Map<string, number>();
  private readonly parts: WatchParts;

  constructor(parts: WatchParts) {
    this.parts = parts;
  }

  /** `ports` empty = the pod has none, or is gone. */
  set(key: string, identity: number, ports: readonly NamedPort[]): void {
    const earlier = this.identityOf.get(key);
    const known = earlier === undefined ? [] : (this.byIdentity.get(earlier)?.get(key) ?? []);
    const isSame = (ports.length === 0 && known.length === 0) || (earlier === identity && equalJson(known, ports));
    if (isSame) return;
    if (earlier !== undefined) this.put(key, earlier, []);
    this.identityOf.delete(key);
    if (ports.length > 0) {
      this.identityOf.set(key, identity);
      this.put(key, identity, ports);
    }
    this.parts.reconciler.regenerateAll();
  }

  private put(key: string, identity: number, ports: readonly NamedPort[]): void {
    const members = this.byIdentity.get(identity) ?? new Map<string, readonly NamedPort[]>();
    if (ports.length === 0) members.delete(key);
    else members.set(key, ports);
    if (members.size === 0) this.byIdentity.delete(identity);
    else this.byIdentity.set(identity, members);
    this.parts.engine.setNamedPorts(identity, [...members.values()].flat());
  }
}

function endpointHandler(parts: WatchParts): InputHandler {
  const namedPorts = new NamedPorts(parts);
  const own = (object: KubeObject) =>
    parts.table.all().find((endpoint) => endpoint.attached && podKey(endpoint) === objectKey(object));
  return {
    changed: (object) => {
      const key = objectKey(object);
      const claim = claimOf(object);
      // This node's own pods are known first hand; what else claims to be here is a leftover.
      parts.sources.claim(key, claim?.nodeAddress === parts.nodeAddress ? undefined : claim);
      parts.remote.set(key, object);
      const ports = listOf(fieldsOf(object.status)["named-ports"]) as readonly NamedPort[];
      namedPorts.set(key, claim?.identity ?? 0, ports);
      parts.reconciler.schedule();
    },
    removed: (object) => {
      const key = objectKey(object);
      parts.sources.claim(key, undefined);
      parts.remote.remove(key);
      namedPorts.set(key, 0, []);
      parts.reconciler.schedule();
      const endpoint = own(object);
      if (endpoint === undefined || parts.pods.podOf(endpoint.request) === undefined) return;
      parts.writer.invalidate(key);
      parts.retry.run(`ciliumendpoint ${key}`, () => parts.writer.retry(key));
    },
  };
}

function podHandler(parts: WatchParts): InputHandler {
  const follow = (object: KubeObject) => {
    parts.pods.changed();
    const key = objectKey(object);
    for (const endpoint of parts.table.all()) if (podKey(endpoint) === key) parts.lifecycle.followLabels(endpoint);
  };
  return { changed: follow, removed: () => undefined };
}

function namespaceHandler(parts: WatchParts): InputHandler {
  return {
    changed: ({ metadata: { name } }) => {
      parts.pods.changed();
      const members = parts.table.all().filter((endpoint) => endpoint.request.podNamespace === name);
      for (const endpoint of members) parts.lifecycle.followLabels(endpoint);
    },
    removed: () => undefined,
  };
}

function policyHandler(parts: WatchParts, sync: PolicySync): InputHandler {
  return {
    changed: (object, old) => {
      sync.upsert(object, old);
      parts.stale.cidrs = true;
    },
    removed: (object) => {
      sync.remove(object);
      parts.stale.cidrs = true;
    },
  };
}

function cidrGroupHandler(parts: WatchParts): InputHandler {
  const set = (name: string, object: KubeObject | undefined) => {
    try {
      parts.engine.setCidrGroup(name, object);
    } catch (error) {
      // The earlier version stays, as with policies; a group has no status to say so.
      parts.refused(`CiliumCIDRGroup ${name}`, error as Error);
      return;
    }
    parts.stale.cidrs = true;
    parts.reconciler.regenerateAll();
  };
  return {
    changed: (object, old) => {
      const contentOf = ({ spec, metadata: { labels } }: KubeObject) => [spec, labels];
      if (old === undefined || !equalJson(contentOf(old), contentOf(object))) set(object.metadata.name, object);
    },
    removed: (object) => set(object.metadata.name, undefined),
  };
}

function marking(parts: WatchParts, ...stale: readonly (keyof WatchParts["stale"])[]): InputHandler {
  const mark = () => {
    for (const what of stale) parts.stale[what] = true;
    parts.reconciler.schedule();
  };
  return { changed: mark, removed: mark };
}

/** What each input of the Kubernetes API means for this node. */
export function watchHandlers(parts: WatchParts): Partial<Record<keyof KubeInputs, InputHandler>> {
  return {
    identities: identityHandler(parts),
    endpoints: endpointHandler(parts),
    pods: podHandler(parts),
    namespaces: namespaceHandler(parts),
    policies: policyHandler(parts, parts.policies),
    clusterwidePolicies: policyHandler(parts, parts.clusterwidePolicies),
    networkPolicies: policyHandler(parts, parts.networkPolicies),
    clusterNetworkPolicies: policyHandler(parts, parts.clusterNetworkPolicies),
    cidrGroups: cidrGroupHandler(parts),
    ciliumNodes: marking(parts, "nodes", "services"),
    services: marking(parts, "services"),
    // The API server's endpoints say which node is which.
    slices: marking(parts, "services", "nodes"),
    nodes: {
      changed: () => {
        parts.nodeChanged();
        // Its labels say which policies are about it.
        parts.reconciler.schedule();
      },
      removed: () => undefined,
    },
  };
}
