import data from "./descriptions.json" with { type: "json" };
import type { SchemaNode } from "./node.ts";

/** What fields of every object are for. */
const OBJECT: Readonly<Record<string, string>> = {
  apiVersion: "The group and version of the kind.",
  kind: "The kind.",
  metadata: "Name, labels and what the server keeps about the object.",
};

const builtin = data.builtin as Readonly<Record<string, Readonly<Record<string, string>>>>;
/** By path; one that begins with a star stands for every path that ends so. */
const rule = Object.entries(data.rule as Readonly<Record<string, string>>);

/** The words on a built-in definition and its fields, by the definition's full name; the node itself where there are none. */
export function describeDefinition(fullName: string, node: SchemaNode): SchemaNode {
  const words = builtin[fullName.replace(/^io\.k8s\.(apimachinery\.pkg\.apis|api)\./, "")];
  const common = node["x-kubernetes-group-version-kind"] === undefined ? undefined : OBJECT;
  if (words === undefined && common === undefined) return node;
  const fields = Object.entries(node.properties ?? {}).map(([name, field]) => {
    const description = words?.[name] ?? common?.[name];
    return [name, description === undefined ? field : { ...field, description }] as const;
  });
  return {
    ...node,
    ...(words?.[""] === undefined ? {} : { description: words[""] }),
    ...(node.properties === undefined ? {} : { properties: Object.fromEntries(fields) }),
  };
}

function wordsAt(path: string): string | undefined {
  return rule.find(([key]) => key === path || (key.startsWith("*") && path.endsWith(key.slice(1))))?.[1];
}

/** A Cilium rule's schema with words on its fields; `path` = where in the rule the node is. */
export function describeRule(node: SchemaNode, path = ""): SchemaNode {
  const description = wordsAt(path);
  const fields = Object.entries(node.properties ?? {}).map(
    ([name, field]) => [name, describeRule(field, path === "" ? name : `${path}.${name}`)] as const,
  );
  return {
    ...node,
    ...(description === undefined ? {} : { description }),
    ...(node.items === undefined ? {} : { items: withoutWords(describeRule(node.items, path)) }),
    ...(node.properties === undefined ? {} : { properties: Object.fromEntries(fields) }),
  };
}

/** The words on a list are not said again of each of its items. */
function withoutWords({ description: _, ...node }: SchemaNode): SchemaNode {
  return node;
}
