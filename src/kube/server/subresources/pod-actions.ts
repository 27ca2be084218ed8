import { type Fields, fieldsOf, isFields, type KubeObject, listOf, timestamp } from "../../object.ts";
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
    return withCondition(copy, condition);
  };
  replaceObject(api, target, options, bound, "as-changed");
}

/** The object with one condition of its status set, in place of an earlier one of that type. */
function withCondition(object: KubeObject, condition: Fields): KubeObject {
  const status = fieldsOf(object.status);
  const others = listOf(status.conditions).filter((item) => fieldsOf(item).type !== condition.type);
  return { ...object, status: { ...status, conditions: [...others, condition] } };
}

/** POST pods/<name>/eviction: a delete, after the pod says that it is disrupted; the lab knows no disruption budgets. */
export function evictPod(api: Api, target: Target, body: unknown, { query, options }: Eviction): Status {
  const given = deleteOptions(fieldsOf(body).deleteOptions, query);
  const pod = { ...target, subresource: "" };
  // what keeps it from being deleted keeps it from being marked
  const { resourceVersion: _, ...preconditions } = given.preconditions ?? {};
  deleteObject(api, pod, { ...given, dryRun: true });
  if (given.dryRun) return CREATED;
  const time = { lastProbeTime: null, lastTransitionTime: timestamp(api.now()) };
  const why = { reason: "EvictionByEvictionAPI", message: "Eviction API: evicting" };
  const condition = { type: "DisruptionTarget", status: "True", ...time, ...why };
  replaceObject(api, { ...target, subresource: "status" }, options, (copy) => withCondition(copy, condition));
  deleteObject(api, pod, { ...given, preconditions });
  return CREATED;
}

/** What an eviction is asked with, beside its body. */
interface Eviction {
  readonly query: URLSearchParams;
  readonly options: WriteOptions;
}

/** PUT namespaces/<name>/finalize: the namespace controller's word that nothing is left. */
export function finalizeNamespace(api: Api, target: Target, body: unknown, options: WriteOptions): KubeObject {
  const finalizers = fieldsOf(fieldsOf(body).spec).finalizers;
  return replaceObject(api, target, options, (copy) => {
    copy.spec = { ...fieldsOf(copy.spec), finalizers: Array.isArray(finalizers) ? finalizers : [] };
    return copy;
  }).object;
}
