import {
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  type KubeObject,
  type ResourceRef,
} from "../../kube/client/index.ts";
import { equalJson, type Fields, timestamp } from "../../kube/object.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import { conditionOf, statusOf, stays, withCondition } from "../objects.ts";

/** The agents of the nodes hear of a change at the same time, and it is they who are waited for. */
const AFTER_AGENTS_MS = 20;

export type PolicyAnswer = { readonly ok: true } | { readonly ok: false; readonly errors: readonly string[] };
/** Says whether the engine takes a policy, and if not, why. */
export type PolicyValidator = (object: KubeObject) => PolicyAnswer;

/** The condition `Valid` that an answer stands for. */
export function validCondition(answer: PolicyAnswer): Fields {
  return answer.ok
    ? { type: "Valid", status: "True", message: "Policy validation succeeded" }
    : { type: "Valid", status: "False", message: answer.errors.join("; ") };
}

/** The status with the condition, or undefined when it says so already. `now` as the API writes times. */
export function nextStatus(policy: KubeObject, answer: PolicyAnswer, now: string): Fields | undefined {
  const wanted = validCondition(answer);
  const old = conditionOf(policy, "Valid");
  if (old && old.status === wanted.status && old.message === wanted.message) return undefined;
  return { ...statusOf(policy), conditions: withCondition(statusOf(policy).conditions, wanted, now) };
}

/**
 * Marks each policy valid or not. One state of a policy (uid and content) is judged once: an agent that knows better
 * and says `False` afterwards is not contradicted.
 */
export function startPolicyStatus(context: ControllerContext, validate: PolicyValidator): void {
  for (const ref of [CiliumNetworkPolicies, CiliumClusterwideNetworkPolicies]) watch(context, ref, validate);
}

function watch(context: ControllerContext, ref: ResourceRef, validate: PolicyValidator): void {
  const policies = context.cache(ref);
  const judged = new Map<string, KubeObject>();
  const queue = context.queue(`policy-status/${ref.resource}`, sync);
  const add = (policy: KubeObject): void => {
    const before = judged.get(keyOfObject(policy));
    if (before && sameContent(before, policy)) return;
    queue.addAfter(keyOfObject(policy), AFTER_AGENTS_MS);
  };
  policies.on({
    onAdd: add,
    onUpdate: (_, policy) => add(policy),
    onDelete: (policy) => judged.delete(keyOfObject(policy)),
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const policy = policies.get(name, namespace);
    if (!policy || !stays(policy)) return;
    const status = nextStatus(policy, validate(policy), timestamp(context.now()));
    if (status) await context.updateStatus(ref, { ...policy, status });
    judged.set(key, policy);
  }
}

function sameContent(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.uid === b.metadata.uid && equalJson(a.spec, b.spec) && equalJson(a.specs, b.specs);
}
