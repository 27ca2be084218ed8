import type { KubeObject, OwnerReference } from "../kube/client/index.ts";
import { copyJson, type Fields, fieldsOf } from "../kube/object.ts";

/** A pod as an owner's template says; its name gets five random characters after `<owner>-` from the server. */
export function podFromTemplate(owner: KubeObject, reference: OwnerReference, template: Fields): KubeObject {
  const { labels, annotations, finalizers } = fieldsOf(template.metadata);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      // The server names the pod from generateName.
      name: "",
      generateName: `${owner.metadata.name}-`,
      ...(owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {}),
      ...(labels ? { labels: labels as Record<string, string> } : {}),
      ...(annotations ? { annotations: annotations as Record<string, string> } : {}),
      ...(finalizers ? { finalizers: finalizers as string[] } : {}),
      ownerReferences: [reference],
    },
    spec: copyJson(fieldsOf(template.spec)),
  };
}
