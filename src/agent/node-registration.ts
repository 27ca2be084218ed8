import { equalJson, fieldsOf } from "../kube/object.ts";
import { CiliumNodes } from "../kube/resources.ts";
import { type KubeClient, type KubeObject, reasonOf } from "./kube.ts";
import { ciliumNodeOf, type NodeAddresses } from "./node-addresses.ts";

/** Creates or corrects this node's CiliumNode. `owner` is its Node, as far as it exists. */
export async function registerNode(
  client: Pick<KubeClient, "get" | "create" | "update">,
  name: string,
  addresses: NodeAddresses,
  podCidrs: readonly string[],
  owner: KubeObject | undefined,
): Promise<void> {
  const wanted = ciliumNodeOf(name, addresses, podCidrs, owner);
  try {
    await client.create(CiliumNodes, wanted);
    return;
  } catch (error) {
    if (reasonOf(error) !== "AlreadyExists") throw error;
  }
  const found = await client.get(CiliumNodes, name);
  const spec = { ...fieldsOf(found.spec), ...fieldsOf(wanted.spec) };
  const metadata = { ...found.metadata, labels: { ...found.metadata.labels, ...wanted.metadata.labels } };
  if (wanted.metadata.ownerReferences !== undefined) metadata.ownerReferences = wanted.metadata.ownerReferences;
  if (equalJson(spec, found.spec) && equalJson(metadata, found.metadata)) return;
  await client.update(CiliumNodes, { ...found, metadata, spec });
}
