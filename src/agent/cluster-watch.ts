import type { NamedPort } from "./cilium-endpoint.ts";
import { claimOf } from "./cilium-endpoint.ts";
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
  readonly retry: Retry;
  /** Things that `prepare` recomputes before the next regeneration. */
  readonly stale: { nodes: boolean; services: boolean; cidrs: boolean };
  readonly nodeChanged: () => void;
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

/** Named ports of every pod, by CiliumEndpoint; tells the engine when their union changed. */
class NamedPorts {
  private readonly byEndpoint = new Map<string, readonly NamedPort[]>();
  private readonly parts: WatchParts;

  constructor(parts: WatchParts) {
    this.parts = parts;
  }

  set(key: string, ports: readonly NamedPort[]): void {
    const earlier = this.byEndpoint.get(key) ?? [];
    if (JSON.stringify(earlier) === JSON.stringify(ports)) return;
    if (ports.length === 0) this.byEndpoint.delete(key);
    else this.byEndpoint.set(key, ports);
    this.parts.engine.setNamedPorts([...this.byEndpoint.values()].flat());
    this.parts.reconciler.regenerateAll();
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
      const status = object.status as { "named-ports"?: readonly NamedPort[] } | undefined;
      namedPorts.set(key, status?.["named-ports"] ?? []);
      parts.reconciler.schedule();
    },
    removed: (object) => {
      const key = objectKey(object);
      parts.sources.claim(key, undefined);
      parts.remote.remove(key);
      namedPorts.set(key, []);
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
  const changed = () => {
    parts.stale.cidrs = true;
    parts.reconciler.regenerateAll();
  };
  return {
    changed: (object) => {
      parts.engine.upsertCidrGroup(object.metadata.name, object);
      changed();
    },
    removed: (object) => {
      parts.engine.removeCidrGroup(object.metadata.name);
      changed();
    },
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
    cidrGroups: cidrGroupHandler(parts),
    ciliumNodes: marking(parts, "nodes"),
    services: marking(parts, "services"),
    // The API server's endpoints say which node is which.
    slices: marking(parts, "services", "nodes"),
    nodes: { changed: parts.nodeChanged, removed: () => undefined },
  };
}
