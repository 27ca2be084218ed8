import { CiliumEndpoints, CiliumIdentities, KubeError, type KubeObject } from "../../kube/client/index.ts";
import { fieldsOf } from "../../kube/object.ts";
import type { ControllerContext } from "../context.ts";
import { statusOf } from "../objects.ts";

/** The identity that an endpoint has now. */
export function identityOf(endpoint: KubeObject): string | undefined {
  const { id } = fieldsOf(statusOf(endpoint).identity);
  return typeof id === "number" ? String(id) : undefined;
}

/** The identities that some endpoint has. */
export function usedIdentities(endpoints: readonly KubeObject[]): Set<string> {
  return new Set(endpoints.map(identityOf).filter((id) => id !== undefined));
}

/**
 * Since when identities have been without an endpoint, as far as this process has seen: after a restart each gets its
 * whole time of grace again, so that none is taken from a pod that is just starting.
 */
export class UnusedIdentities {
  readonly #since = new Map<string, number>();

  /** Takes note of whether some endpoint has the identity now. `now` and the times kept are milliseconds. */
  observe(id: string, isUsed: boolean, now: number): void {
    if (isUsed) this.#since.delete(id);
    else if (!this.#since.has(id)) this.#since.set(id, now);
  }

  /** The identity is gone: one that gets its number later begins anew. */
  forget(id: string): void {
    this.#since.delete(id);
  }

  /** Milliseconds until the identity may go; undefined while it is used. */
  dueIn(id: string, graceMs: number, now: number): number | undefined {
    const since = this.#since.get(id);
    return since === undefined ? undefined : Math.max(0, since + graceMs - now);
  }
}

/** Deletes identities that no endpoint has had for `graceMs`. */
export function startIdentityCollection(context: ControllerContext, graceMs: number): void {
  const identities = context.cache(CiliumIdentities);
  const endpoints = context.cache(CiliumEndpoints);
  const unused = new UnusedIdentities();
  const queue = context.queue("identity-collection", sync);
  const add = (id: string | undefined): void => {
    if (id !== undefined) queue.add(id);
  };
  identities.on({
    onAdd: ({ metadata }) => add(metadata.name),
    onDelete: ({ metadata }) => unused.forget(metadata.name),
  });
  endpoints.on({
    onAdd: (endpoint) => add(identityOf(endpoint)),
    onUpdate: (old, endpoint) => {
      if (identityOf(old) === identityOf(endpoint)) return;
      add(identityOf(old));
      add(identityOf(endpoint));
    },
    onDelete: (endpoint) => add(identityOf(endpoint)),
  });

  async function sync(id: string): Promise<void> {
    const identity = identities.get(id);
    if (!identity) return;
    unused.observe(id, usedIdentities(endpoints.list()).has(id), context.now());
    const wait = unused.dueIn(id, graceMs, context.now());
    if (wait === undefined) return;
    if (wait > 0) queue.addAfter(id, wait + 1);
    else await remove(context, identity);
  }
}

/** An identity that an agent has touched since (another revision) is in use again: it stays. */
async function remove(context: ControllerContext, { metadata }: KubeObject): Promise<void> {
  const { name, uid = "", resourceVersion = "" } = metadata;
  try {
    await context.client.delete(CiliumIdentities, name, { preconditions: { uid, resourceVersion } });
  } catch (error) {
    if (!(error instanceof KubeError && error.code === 404)) throw error;
  }
}
