import type { KubeClient, ResourceRef } from "../kube/client/index.ts";
import { fieldsOf, groupVersion } from "../kube/object.ts";
import { objectsOf } from "./objects.ts";

/** A resource that the server serves, with the words that say what can be done with it. */
export interface ApiResource extends ResourceRef {
  readonly kind: string;
  readonly verbs: readonly string[];
}

async function inVersion(client: KubeClient, group: string, version: string): Promise<ApiResource[]> {
  const root = group === "" ? `/api/${version}` : `/apis/${groupVersion(group, version)}`;
  const { resources } = fieldsOf(await client.raw("GET", root));
  return objectsOf(resources)
    .filter((entry) => !String(entry.name).includes("/"))
    .map((entry) => ({
      group,
      version,
      resource: String(entry.name),
      namespaced: entry.namespaced === true,
      kind: String(entry.kind),
      verbs: (entry.verbs ?? []) as string[],
    }));
}

/** Every resource of the server in its preferred version, from discovery. */
export async function discover(client: KubeClient): Promise<ApiResource[]> {
  const { groups } = fieldsOf(await client.raw("GET", "/apis"));
  const versions = objectsOf(groups).map((group) => ({
    group: String(group.name),
    version: String(fieldsOf(group.preferredVersion).version),
  }));
  const found = await Promise.all(
    [{ group: "", version: "v1" }, ...versions].map((item) => inVersion(client, item.group, item.version)),
  );
  return found.flat();
}
