import { CiliumIdentities } from "../kube/resources.ts";
import { reservedIdentityOf } from "../model/identity.ts";
import { compareText, formatLabels, type Label, type Labels, splitSource, toLabels } from "../model/label.ts";
import { type KubeClient, type KubeObject, reasonOf } from "./kube.ts";

/** `security-labels` of a CiliumIdentity: `source:key` -> value. */
export type SecurityLabels = Readonly<Record<string, string>>;

export function securityLabels(labels: Labels): SecurityLabels {
  return Object.fromEntries(labels.map((label) => [`${label.source}:${label.key}`, label.value]));
}

/** The labels that a CiliumIdentity stands for, sorted by their text. */
export function labelsOfIdentity(object: KubeObject): Labels {
  const map = (object["security-labels"] ?? {}) as SecurityLabels;
  return toLabels(
    Object.entries(map).map(([name, value]) => {
      const { source, rest } = splitSource(name);
      return { source, key: rest, value };
    }),
  );
}

export function sameLabels(a: Labels, b: Labels): boolean {
  return a.length === b.length && labelKey(a) === labelKey(b);
}

/** One text for one set of labels. */
function labelKey(labels: Labels): string {
  return formatLabels(labels).sort(compareText).join("\n");
}

function identityObject(id: number, labels: Labels): KubeObject {
  const searchable = labels.filter((label) => label.source === "k8s" && isKubernetesLabel(label));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumIdentity",
    metadata: {
      name: String(id),
      labels: Object.fromEntries(searchable.map((label) => [label.key, label.value])),
    },
    "security-labels": securityLabels(labels),
  };
}

/** The API server refuses label keys with a name longer than 63 or several slashes; those are left out of the search labels. */
function isKubernetesLabel(label: Label): boolean {
  return /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(label.key);
}

export interface IdentityAllocatorOptions {
  readonly client: KubeClient;
  /** CiliumIdentity by name, as the informer has it now. */
  readonly cached: (name: string) => KubeObject | undefined;
  /** Numbers to try, in order; the same for the same labels on every node. */
  readonly candidates: (labels: Labels) => Iterable<number>;
}

/**
 * Finds or makes the CiliumIdentity of a set of labels. Creating the object is the lock: whoever finds the number taken
 * by the same labels shares it, by other labels tries the next number.
 */
export class IdentityAllocator {
  private readonly options: IdentityAllocatorOptions;
  private readonly running = new Map<string, Promise<number>>();

  constructor(options: IdentityAllocatorOptions) {
    this.options = options;
  }

  /** Concurrent calls for the same labels share one answer; reserved labels have their number. Rejects with the API's error. */
  allocate(labels: Labels): Promise<number> {
    const reserved = reservedIdentityOf(labels);
    if (reserved !== undefined) return Promise.resolve(reserved);
    const key = labelKey(labels);
    const running = this.running.get(key);
    if (running !== undefined) return running;
    const started = this.find(labels).finally(() => this.running.delete(key));
    this.running.set(key, started);
    return started;
  }

  /** Makes the object again with its number: it was deleted while an endpoint here has the identity. */
  async recreate(id: number, labels: Labels): Promise<void> {
    try {
      await this.options.client.create(CiliumIdentities, identityObject(id, labels));
    } catch (error) {
      if (reasonOf(error) !== "AlreadyExists") throw error;
    }
  }

  private async find(labels: Labels): Promise<number> {
    for (const id of this.options.candidates(labels)) {
      const cached = this.options.cached(String(id));
      if (cached !== undefined && !sameLabels(labelsOfIdentity(cached), labels)) continue;
      if (cached !== undefined || (await this.take(id, labels))) return id;
    }
    throw new Error(`every candidate number is taken by other labels than ${formatLabels(labels).join(",")}`);
  }

  /** True when the number stands for these labels now. */
  private async take(id: number, labels: Labels): Promise<boolean> {
    const { client } = this.options;
    for (;;) {
      try {
        await client.create(CiliumIdentities, identityObject(id, labels));
        return true;
      } catch (error) {
        if (reasonOf(error) !== "AlreadyExists") throw error;
      }
      try {
        const holder = await client.get(CiliumIdentities, String(id));
        return sameLabels(labelsOfIdentity(holder), labels);
      } catch (error) {
        // Deleted between the two calls: the number is free again.
        if (reasonOf(error) !== "NotFound") throw error;
      }
    }
  }
}
