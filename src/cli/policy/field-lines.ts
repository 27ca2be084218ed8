import { isCollection, isMap, isPair, LineCounter, type Node, parseAllDocuments } from "yaml";

/** Finds lines by document and field. */
export interface FieldLines {
  /**
   * Line, from 1, of a field in the document that begins on `documentLine`. Where the field itself is missing it is that of the
   * closest field above it that is there. `field` is a path such as `spec.ingress[0].fromEndpoints[1].matchLabels["a.b/c"]`.
   */
  lineOf(documentLine: number, field: string): number;
}

const STEP = /\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]|([^.[\]]+)/g;

function stepsOf(field: string): (string | number)[] {
  return [...field.matchAll(STEP)].map(([, quoted, index, name]) => {
    if (quoted !== undefined) return JSON.parse(quoted) as string;
    return index === undefined ? name! : Number(index);
  });
}

/** `text` must be one that `readPolicyText` takes: here it is read without limits. */
export function fieldLines(text: string): FieldLines {
  const lineCounter = new LineCounter();
  const options = { version: "1.1", uniqueKeys: false, prettyErrors: false, lineCounter } as const;
  const documents = [...parseAllDocuments(text, { ...options, logLevel: "silent" })];
  const lineAt = (offset: number) => Math.max(1, lineCounter.linePos(offset).line);
  const roots = new Map(
    documents.map(({ contents }): [number, Node | null] => [lineAt(contents?.range?.[0] ?? 0), contents]),
  );
  return {
    lineOf: (documentLine, field) => {
      const offset = offsetOf(roots.get(documentLine), stepsOf(field));
      return offset === undefined ? documentLine : lineAt(offset);
    },
  };
}

function offsetOf(root: Node | null | undefined, steps: readonly (string | number)[]): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const step of steps) {
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
