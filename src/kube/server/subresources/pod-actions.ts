import { fieldsOf, isFields, type KubeObject, timestamp } from "../../object.ts";
import { badRequest, conflict, invalid, type Status } from "../../status.ts";
import type { Api, WriteOptions } from "../context.ts";
import { deleteObject, deleteOptions } from "../verbs/delete.ts";
import { replaceObject, type Target } from "../verbs/replace.ts";

const CREATED: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

/** POST pods/<name>/binding: the scheduler's word on where the pod runs. Throws 409 when it is bound already. */
export function bindPod(api: Api, target: Target, body: unknown, options: WriteOptions): Status {
  const node = fieldsOf(fieldsOf(body).target).name;
  if (typeof node !== "string" || node === "") {
    throw invalid({ group: "", resource: "bindings", kind: "Binding" }, target.name, [
      { field: "target.name", reason: "FieldValueRequired", message: "Required value" },
    ]);
  }
  // Only the server sets nodeName on a pod that exists: the rule against spec changes is not asked.
  bindTo(api, { ...target, subresource: "binding" }, node, options);
  return CREATED;
}

function bindTo(api: Api, target: Target, node: string, options: WriteOptions): void {
  const { kind, namespace, name } = target;
  const stored = api.store.get(kind.storage, namespace, name);
  const spec = fieldsOf(stored?.object.spec);
  if (spec.nodeName)
    throw conflict(
      { ...kind, resource: "pods/binding" },
      name,
      `pod ${name} is already assigned to node "${String(spec.nodeName)}"`,
    );
  if (stored?.object.metadata.deletionTimestamp) {
    throw conflict(
      { ...kind, resource: "pods/binding" },
      name,
      `pod ${name} is being deleted, cannot be assigned to a host`,
    );
  }
  const bound = (copy: KubeObject): KubeObject => {
    if (!isFields(copy.spec)) throw badRequest("the pod has no spec");
    copy.spec.nodeName = node;
    const condition = {
      type: "PodScheduled",
      status: "True",
      lastProbeTime: null,
      lastTransitionTime: timestamp(api.now()),
    };
    const status = fieldsOf(copy.status);
    const others = Array.isArray(status.conditions)
      ? status.conditions.filter((item) => fieldsOf(item).type !== "PodScheduled")
      : [];
    copy.status = { ...status, conditions: [...others, condition] };
    return copy;
  };
  replaceObject(api, target, options, bound, "as-changed");
}

/** POST pods/<name>/eviction: a delete; the lab knows no disruption budgets. */
export function evictPod(api: Api, target: Target, body: unknown, query: URLSearchParams): Status {
  const options = deleteOptions(fieldsOf(body).deleteOptions, query);
  deleteObject(api, { ...target, subresource: "" }, options);
  return CREATED;
}

/** PUT namespaces/<name>/finalize: the namespace controller's word that nothing is left. */
export function finalizeNamespace(api: Api, target: Target, body: unknown, options: WriteOptions): KubeObject {
  const finalizers = fieldsOf(fieldsOf(body).spec).finalizers;
  return replaceObject(api, target, options, (copy) => {
    copy.spec = { ...fieldsOf(copy.spec), finalizers: Array.isArray(finalizers) ? finalizers : [] };
    return copy;
  }).object;
}
