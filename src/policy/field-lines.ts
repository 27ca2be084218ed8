import { isCollection, isMap, isPair, type Node } from "yaml";

const STEP = /\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]|([^.[\]]+)/g;

function stepsOf(field: string): (string | number)[] {
  return [...field.matchAll(STEP)].map(([, quoted, index, name]) => {
    if (quoted !== undefined) return JSON.parse(quoted) as string;
    return index === undefined ? name! : Number(index);
  });
}

/**
 * Where a field begins in the text that a tree was read from; undefined = nothing of it is there. Where the field itself is
 * missing it is the closest field above it that is there. `field` is a path such as
 * `spec.ingress[0].fromEndpoints[1].matchLabels["a.b/c"]`.
 */
export function offsetOfField(root: Node | null, field: string): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const step of stepsOf(field)) {
    const found = childOf(node, step);
    if (found === undefined) break;
    offset = found.offset ?? offset;
    node = found.value;
  }
  return offset;
}

function childOf(node: unknown, step: string | number): { value: unknown; offset: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isNamed(key, step));
    return pair === undefined ? undefined : { value: pair.value, offset: (pair.key as Node).range?.[0] };
  }
  if (!isCollection(node) || typeof step !== "number") return undefined;
  const item = node.items[step];
  if (item === undefined || isPair(item)) return undefined;
  return { value: item, offset: (item as Node).range?.[0] };
}

function isNamed(key: unknown, step: string | number): boolean {
  const { source, value } = key as { source?: string; value?: unknown };
  return (source ?? String(value)) === String(step);
}
