import type { KubeObject, OwnerReference, ResourceRef } from "../kube/client/index.ts";
import { controllerOf } from "../kube/object.ts";
import { selects } from "../kube/schema/index.ts";
import type { ControllerContext } from "./context.ts";
import { controllerReference, labelsOf, specOf, stays } from "./objects.ts";

/** What a selector says about an owner's dependents. */
export interface Claim {
  /** Ours already, and still selected. */
  readonly held: readonly KubeObject[];
  /** Selected, and nobody's. */
  readonly adopted: readonly KubeObject[];
  /** Ours, but no longer selected. */
  readonly released: readonly KubeObject[];
}

/** Sorts candidates of one namespace by whose they are. An owner that is going adopts nothing. */
export function claim(owner: KubeObject, candidates: readonly KubeObject[]): Claim {
  const { selector } = specOf(owner);
  const held: KubeObject[] = [];
  const adopted: KubeObject[] = [];
  const released: KubeObject[] = [];
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const selected = selects(selector, labelsOf(candidate));
    if (controller?.uid === owner.metadata.uid) (selected ? held : released).push(candidate);
    else if (!controller && selected && stays(owner) && stays(candidate)) adopted.push(candidate);
  }
  return { held, adopted, released };
}

function ownersWithout(object: KubeObject, uid: string | undefined): OwnerReference[] {
  return (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
}

/** Makes the claim true on the server; returns the dependents that the owner has afterwards. */
export async function applyClaim(
  context: ControllerContext,
  owner: KubeObject,
  ref: ResourceRef,
  { held, adopted, released }: Claim,
): Promise<KubeObject[]> {
  const write = (object: KubeObject, ownerReferences: OwnerReference[]) => {
    const { uid, resourceVersion, name, namespace } = object.metadata;
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    return context.client.patch(ref, name, patch, { ...(namespace ? { namespace } : {}), type: "merge" });
  };
  const [version = "", group = ""] = owner.apiVersion.split("/").reverse();
  const reference = controllerReference(owner, group, version, owner.kind);
  await Promise.all(
    released.map(async (object) => {
      context.cache(ref).wrote(await write(object, ownersWithout(object, owner.metadata.uid)));
    }),
  );
  const taken = await Promise.all(
    adopted.map(async (object) => {
      const owners = [...ownersWithout(object, owner.metadata.uid), reference];
      return context.cache(ref).wrote(await write(object, owners));
    }),
  );
  return [...held, ...taken];
}
