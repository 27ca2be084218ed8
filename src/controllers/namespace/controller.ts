import { ConfigMaps, KubeError, type KubeObject, Namespaces, Pods, ServiceAccounts } from "../../kube/client/index.ts";
import { listOf } from "../../kube/object.ts";
import { type ApiResource, discover } from "../api-resources.ts";
import type { ControllerContext } from "../context.ts";
import { specOf, stays } from "../objects.ts";
import { deletable, missingContents, withoutFinalizer } from "./reconcile.ts";

/** How often contents that go slowly (pods with a grace period) are looked for again. */
const LOOK_AGAIN_MS = 500;

/** Fills new namespaces with what every namespace has, and empties those that are being deleted. */
export function startNamespaces(context: ControllerContext, rootCertificate: string | undefined): void {
  const namespaces = context.cache(Namespaces);
  const accounts = context.cache(ServiceAccounts);
  const maps = context.cache(ConfigMaps);
  const queue = context.queue("namespace-controller", sync);
  const add = (object: KubeObject): void => queue.add(object.metadata.name);
  const addNamespaceOf = ({ metadata }: KubeObject): void => {
    if (metadata.namespace) queue.add(metadata.namespace);
  };
  namespaces.on({ onAdd: add, onUpdate: (_, object) => add(object) });
  accounts.on({ onDelete: addNamespaceOf });
  maps.on({ onDelete: addNamespaceOf });
  context.cache(Pods).on({
    onDelete: (pod) => {
      const namespace = namespaces.get(pod.metadata.namespace ?? "");
      if (namespace && !stays(namespace)) add(namespace);
    },
  });

  async function sync(name: string): Promise<void> {
    const namespace = namespaces.get(name);
    if (!namespace) return;
    if (stays(namespace)) return fill(name);
    if (listOf(specOf(namespace).finalizers).length === 0) return;
    if (await empty(context, name)) await release(context, namespace);
    else queue.addAfter(name, LOOK_AGAIN_MS);
  }

  async function fill(name: string): Promise<void> {
    const has = (object: KubeObject): boolean =>
      (object.kind === "ConfigMap" ? maps : accounts).get(object.metadata.name, name) !== undefined;
    for (const object of missingContents(name, rootCertificate, has)) {
      try {
        await context.create(object.kind === "ConfigMap" ? ConfigMaps : ServiceAccounts, object);
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
      }
    }
  }
}

/** Deletes all contents; true when nothing is left. */
async function empty(context: ControllerContext, namespace: string): Promise<boolean> {
  const resources = deletable(await discover(context.client));
  const left = await Promise.all(resources.map((resource) => emptyOf(context, resource, namespace)));
  return left.every((count) => count === 0);
}

async function emptyOf(context: ControllerContext, resource: ApiResource, namespace: string): Promise<number> {
  const { items } = await context.client.list(resource, { namespace });
  if (items.length === 0) return 0;
  await Promise.all(items.filter(stays).map((object) => removeOne(context, resource, object)));
  return (await context.client.list(resource, { namespace })).items.length;
}

async function removeOne(context: ControllerContext, resource: ApiResource, { metadata }: KubeObject): Promise<void> {
  try {
    const namespace = metadata.namespace ?? "";
    await context.client.delete(resource, metadata.name, { namespace, propagationPolicy: "Background" });
  } catch (error) {
    if (!(error instanceof KubeError && error.code === 404)) throw error;
  }
}

async function release(context: ControllerContext, namespace: KubeObject): Promise<void> {
  const { name } = namespace.metadata;
  try {
    await context.client.raw("PUT", `/api/v1/namespaces/${name}/finalize`, withoutFinalizer(namespace));
  } catch (error) {
    if (!(error instanceof KubeError && error.code === 404)) throw error;
  }
}
