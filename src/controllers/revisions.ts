import { ControllerRevisions, type KubeObject } from "../kube/client/index.ts";
import { controllerOf, fieldsOf } from "../kube/object.ts";
import type { ControllerContext } from "./context.ts";
import { controllerReference, numberOf, specOf } from "./objects.ts";

/** How a workload keeps its revisions: `kubectl rollout history | undo` read them, and older pods are made of them. */
export interface RevisionStyle {
  /** Names the template as it is now. */
  readonly hash: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The revisions of a set, the newest last. */
export function revisionsOf(set: KubeObject, revisions: readonly KubeObject[]): KubeObject[] {
  const own = revisions.filter((revision) => controllerOf(revision)?.uid === set.metadata.uid);
  return own.sort((a, b) => numberOf(a.revision) - numberOf(b.revision));
}

/** The template of a revision: what its data, a patch of the set, puts in place. */
export function templateOf(revision: KubeObject): Record<string, unknown> {
  const { $patch: _, ...template } = fieldsOf(fieldsOf(fieldsOf(revision.data).spec).template);
  return template;
}

function newRevision(set: KubeObject, { hash, labels }: RevisionStyle, number: number): KubeObject {
  const { name, namespace = "" } = set.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: { ...labels },
      ...(set.metadata.annotations ? { annotations: set.metadata.annotations } : {}),
      ownerReferences: [controllerReference(set, "apps", "v1", set.kind)],
    },
    data: { spec: { template: { ...fieldsOf(specOf(set).template), $patch: "replace" } } },
    revision: number,
  };
}

/**
 * Makes the revision of the set's template as it is now the newest, and removes the oldest of those that are not `inUse` (by name)
 * beyond the set's limit. Returns it with the others, the newest last.
 */
export async function keepRevisions(
  context: ControllerContext,
  set: KubeObject,
  style: RevisionStyle,
  inUse: ReadonlySet<string>,
): Promise<KubeObject[]> {
  const cache = context.cache(ControllerRevisions);
  const known = revisionsOf(set, cache.list(set.metadata.namespace));
  const newest = numberOf(known.at(-1)?.revision);
  const name = `${set.metadata.name}-${style.hash}`;
  const same = known.find((revision) => revision.metadata.name === name);
  if (same === undefined) known.push(await context.create(ControllerRevisions, newRevision(set, style, newest + 1)));
  else if (numberOf(same.revision) < newest) {
    const annotations = set.metadata.annotations;
    const metadata = { ...same.metadata, ...(annotations ? { annotations } : {}) };
    const renumbered = await context.update(ControllerRevisions, { ...same, metadata, revision: newest + 1 });
    known.splice(known.indexOf(same), 1);
    known.push(renumbered);
  }
  const idle = known.filter(({ metadata }) => metadata.name !== name && !inUse.has(metadata.name));
  const limit = numberOf(specOf(set).revisionHistoryLimit, 10);
  const old = idle.slice(0, Math.max(0, idle.length - limit));
  await Promise.all(old.map((revision) => context.delete(ControllerRevisions, revision)));
  return known.filter((revision) => !old.includes(revision));
}
