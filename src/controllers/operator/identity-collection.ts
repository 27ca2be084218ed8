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

  /** Takes note of who is used now. `now` and the times kept are milliseconds. */
  observe(identities: readonly string[], used: ReadonlySet<string>, now: number): void {
    const present = new Set(identities);
    for (const id of this.#since.keys()) if (!present.has(id) || used.has(id)) this.#since.delete(id);
    for (const id of identities) if (!used.has(id) && !this.#since.has(id)) this.#since.set(id, now);
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
  identities.on({ onAdd: (identity) => add(identity.metadata.name), onDelete: observe });
  endpoints.on({
    onAdd: (endpoint) => add(identityOf(endpoint)),
    onUpdate: (old, endpoint) => {
      if (identityOf(old) === identityOf(endpoint)) return;
      add(identityOf(old));
      add(identityOf(endpoint));
    },
    onDelete: (endpoint) => add(identityOf(endpoint)),
  });

  function observe(): void {
    const names = identities.list().map((identity) => identity.metadata.name);
    unused.observe(names, usedIdentities(endpoints.list()), context.now());
  }

  async function sync(id: string): Promise<void> {
    observe();
    const identity = identities.get(id);
    const wait = unused.dueIn(id, graceMs, context.now());
    if (!identity || wait === undefined) return;
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
