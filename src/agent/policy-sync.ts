import { equalJson, fieldsOf, listOf } from "../kube/object.ts";
import type { ResourceRef } from "../kube/resources.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { type KubeClient, type KubeObject, objectKey } from "./kube.ts";
import type { PolicyEngine } from "./ports.ts";
import type { Retry } from "./retry.ts";

/** Accepted policies on disk, so that an agent that starts on an invalid version still has the one before. */
export interface AcceptedPolicies {
  load(key: string): KubeObject | undefined;
  save(key: string, object: KubeObject): void;
  remove(key: string): void;
  keys(): readonly string[];
  /** Resolves when all that was told so far is on disk, or was refused by it. */
  written(): Promise<void>;
}

export interface PolicySyncParts {
  readonly engine: PolicyEngine;
  readonly client: Pick<KubeClient, "get" | "updateStatus">;
  readonly accepted: AcceptedPolicies;
  readonly retry: Retry;
  /** RFC 3339 time of now. */
  readonly now: () => string;
  /** The repository changed. */
  readonly changed: () => void;
  readonly event: (notification: AgentNotification) => void;
  readonly counted: (operation: "update" | "delete", outcome: "success" | "fail") => void;
  /** A version that is not taken, and why; the object's status says it too where its kind has one. */
  readonly refused: (what: string, reason: string) => void;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** The object's `status` with the condition Valid set to false; undefined when it says so already. */
function invalidStatus(object: KubeObject, reason: string, now: string): KubeObject["status"] | undefined {
  const status = fieldsOf(object.status);
  const conditions = listOf(status.conditions) as readonly Condition[];
  const earlier = conditions.find((condition) => condition.type === "Valid");
  if (earlier?.status === "False" && earlier.message === reason) return undefined;
  const lastTransitionTime = earlier?.status === "False" ? (earlier.lastTransitionTime ?? now) : now;
  const condition = { type: "Valid", status: "False", reason: "InvalidPolicy", message: reason, lastTransitionTime };
  return { ...status, conditions: [...conditions.filter((other) => other.type !== "Valid"), condition] };
}

/**
 * Feeds the policies of one resource to the engine. An invalid version never replaces a valid one and never vanishes in
 * silence: the earlier version stays in force and the object's status says why.
 */
export class PolicySync {
  private readonly parts: PolicySyncParts;
  private readonly ref: ResourceRef;
  private readonly hasStatus: boolean;

  /** `hasStatus` = the kind has conditions; Kubernetes' own NetworkPolicy has none. */
  constructor(parts: PolicySyncParts, ref: ResourceRef, { hasStatus = true } = {}) {
    this.parts = parts;
    this.ref = ref;
    this.hasStatus = hasStatus;
  }

  upsert(object: KubeObject, old?: KubeObject): void {
    // A change of status alone is no change of policy.
    if (old !== undefined && equalJson(policyOf(old), policyOf(object))) return;
    const key = this.keyOf(object);
    try {
      this.parts.engine.upsertPolicy(key, object);
    } catch (error) {
      this.refuse(key, object, (error as Error).message, old === undefined);
      return;
    }
    this.parts.accepted.save(key, object);
    this.parts.counted("update", "success");
    this.announce("Policy updated", object);
  }

  remove(object: KubeObject): void {
    const key = this.keyOf(object);
    this.parts.engine.removePolicy(key);
    this.parts.accepted.remove(key);
    this.parts.retry.cancel(`status of ${key}`);
    this.parts.counted("delete", "success");
    this.announce("Policy deleted", object);
  }

  /** Forgets accepted versions of policies that were deleted while no agent ran. `present` is the first list. */
  forgetOthers(present: readonly KubeObject[]): void {
    const keys = new Set(present.map((object) => this.keyOf(object)));
    const own = this.parts.accepted.keys().filter((key) => key.startsWith(`${this.ref.resource}/`));
    for (const key of own) if (!keys.has(key)) this.parts.accepted.remove(key);
  }

  private refuse(key: string, object: KubeObject, reason: string, isFirstSight: boolean): void {
    if (isFirstSight) this.restore(key);
    this.parts.counted("update", "fail");
    this.parts.refused(key, reason);
    if (!this.hasStatus) return;
    this.parts.retry.run(`status of ${key}`, () => this.tell(object, reason));
  }

  private restore(key: string): void {
    const earlier = this.parts.accepted.load(key);
    if (earlier === undefined) return;
    this.parts.engine.upsertPolicy(key, earlier);
    this.announce("Policy updated", earlier);
  }

  private async tell(refused: KubeObject, reason: string): Promise<void> {
    const { name, namespace } = refused.metadata;
    const current = await this.parts.client.get(this.ref, name, namespace);
    if (!equalJson(policyOf(current), policyOf(refused))) return;
    const status = invalidStatus(current, reason, this.parts.now());
    if (status !== undefined) await this.parts.client.updateStatus(this.ref, { ...current, status });
  }

  private announce(type: "Policy updated" | "Policy deleted", object: KubeObject): void {
    this.parts.changed();
    const { name, namespace } = object.metadata;
    const labels = [`k8s:io.cilium.k8s.policy.name=${name}`];
    if (namespace !== undefined) labels.push(`k8s:io.cilium.k8s.policy.namespace=${namespace}`);
    const message = { labels, revision: this.parts.engine.revision, rule_count: ruleCount(object) };
    this.parts.event({ type, message });
  }

  private keyOf(object: KubeObject): string {
    return `${this.ref.resource}/${objectKey(object)}`;
  }
}

function policyOf(object: KubeObject): unknown {
  const { uid, labels } = object.metadata;
  return [uid, labels ?? {}, object.spec ?? null, object.specs ?? null];
}

function ruleCount(object: KubeObject): number {
  return (object.spec === undefined ? 0 : 1) + listOf(object.specs).length;
}
