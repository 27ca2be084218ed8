import type { KubeObject } from "../../kube/client/index.ts";
import { controllerOf } from "../../kube/object.ts";
import { specOf } from "../objects.ts";
import { nodePreference } from "../scheduling.ts";
import { type Candidate, misfit } from "./fit.ts";

export type Placement =
  | { readonly node: string }
  /** In the scheduler's words: what `kubectl describe pod` shows. */
  | { readonly unschedulable: string };

/** Larger is better, from the first number on: preferred, few of the same owner, few pods, name. */
function compare(pod: KubeObject, a: Candidate, b: Candidate): number {
  const preference = nodePreference(specOf(pod), b.node) - nodePreference(specOf(pod), a.node);
  if (preference !== 0) return preference;
  const siblings = siblingCount(pod, a) - siblingCount(pod, b);
  if (siblings !== 0) return siblings;
  const pods = a.pods.length - b.pods.length;
  if (pods !== 0) return pods;
  return a.node.metadata.name < b.node.metadata.name ? -1 : 1;
}

function siblingCount(pod: KubeObject, { pods }: Candidate): number {
  const owner = controllerOf(pod)?.uid;
  return owner === undefined ? 0 : pods.filter((other) => controllerOf(other)?.uid === owner).length;
}

function explain(problems: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const problem of problems) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  const parts = [...counts].map(([problem, count]) => `${count} ${problem}`).sort();
  const total = problems.length;
  if (total === 0) return "no nodes available to schedule pods";
  return `0/${total} nodes are available: ${parts.join(", ")}. preemption: 0/${total} nodes are available: ${total} Preemption is not helpful for scheduling.`;
}

/** Chooses a node for a pod: replicas of one owner on different nodes, load in balance. */
export function place(pod: KubeObject, candidates: readonly Candidate[]): Placement {
  const problems = candidates.map((candidate) => misfit(pod, candidate, candidates));
  const fitting = candidates.filter((_, index) => problems[index] === undefined);
  const [best] = fitting.sort((a, b) => compare(pod, a, b));
  if (best) return { node: best.node.metadata.name };
  return { unschedulable: explain(problems.filter((problem) => problem !== undefined)) };
}
