import { type Fields, groupVersion, isFields, type KubeObject } from "../../object.ts";
import { resolve } from "../../schema/builtin.ts";
import { isOpen, mapValues, type SchemaNode } from "../../schema/node.ts";
import { badRequest } from "../../status.ts";
import type { ResourceKind } from "../kind.ts";
import { itemsByStep, keyDefault, type Path, printPath } from "./field-set.ts";
import { fieldNode, itemNode, listRule, rootOf } from "./merge-schema.ts";

/** What keeps a value from being merged by its schema: the first thing that is found, with its path. */
function problemAt(node: SchemaNode, value: unknown, path: Path): string | undefined {
  const known = resolve(node);
  const fail = (why: string): string => `${printPath(path)}: ${why}`;
  if (value === null || value === undefined) return undefined;
  if (known.type === "array") return Array.isArray(value) ? listProblem(node, value, path) : fail("expected list");
  if (!known.properties && mapValues(known) === undefined) return undefined;
  if (!isFields(value)) return fail("expected map");
  for (const [key, item] of Object.entries(value)) {
    const here = [...path, `f:${key}`];
    const isKnown = mapValues(known) !== undefined || isOpen(known) || Object.hasOwn(known.properties ?? {}, key);
    if (!isKnown) return `${printPath(here)}: field not declared in schema`;
    const problem = problemAt(fieldNode(node, key), item, here);
    if (problem) return problem;
  }
  return undefined;
}

function listProblem(node: SchemaNode, list: readonly unknown[], path: Path): string | undefined {
  const rule = listRule(node);
  const items = itemNode(node);
  if (rule.type === "atomic") return undefined;
  if (rule.type === "map") {
    const [key] = rule.keys;
    const lacking = list.findIndex(
      (item) => !isFields(item) || (rule.keys.length === 1 && (item[key!] ?? keyDefault(items, key!)) === undefined),
    );
    if (lacking >= 0)
      return `${printPath(path)}: element ${lacking}: associative list with keys has an element that omits key field ${JSON.stringify(key)}`;
  }
  for (const [step, named] of itemsByStep(node, list)) {
    if (named.length > 1) return `${printPath(path)}: duplicate entries for key ${printPath([step])}`;
    const problem = problemAt(items, named[0], [...path, step]);
    if (problem) return problem;
  }
  return undefined;
}

/** Throws 400 for a configuration to apply that its schema cannot merge: unknown fields, items without key or with one twice. */
export function checkConfiguration(kind: ResourceKind, wanted: KubeObject): void {
  const problem = problemAt(rootOf(kind), wanted as Fields, []);
  if (problem === undefined) return;
  const { namespace = "", name } = wanted.metadata;
  const what = `${namespace}/${name}; ${kind.group === "" ? "/v1" : groupVersion(kind.group, kind.version)}, Kind=${kind.kind}`;
  throw badRequest(`failed to create typed patch object (${what}): ${problem}`);
}
