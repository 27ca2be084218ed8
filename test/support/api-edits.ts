/** Small random changes of API objects, and patches that make them: some harmless, some that a server must refuse. */
import { type Fields, isFields } from "../../src/kube/object.ts";
import type { Random } from "./policy-scenarios-random.ts";

const GOOD_TEXTS = ["a", "b", "web", "x-1", "one"];
const BAD_TEXTS = ["", "Bad_Name", "UPPER", "a.b/c", "-a", "1", "true", "a".repeat(64), "10.0.0.9"];
const NUMBERS = [0, 1, 2, 7, 80, 443, 65536, -1];
const OTHER_TYPES: readonly unknown[] = [{}, [], "text", 3, true, 1.5];
/** The keys by which patches tell list items apart, in the order of their use. */
const KEYS = ["name", "containerPort", "port", "mountPath", "id", "ip", "type", "uid"];

interface Place {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

/** Every place below the object that users may change. */
function placesOf(object: Fields): Place[] {
  const found: Place[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    const entries = Array.isArray(value) ? [...value.entries()] : isFields(value) ? Object.entries(value) : [];
    for (const [key, item] of entries) {
      const here = [...path, key];
      const isFixed = ["apiVersion", "kind", "metadata"].includes(here.join("."));
      const isName = ["metadata.name", "metadata.namespace"].includes(here.join("."));
      if (!isFixed && !isName) found.push({ path: here, value: item });
      walk(item, here);
    }
  };
  walk(object, []);
  return found;
}

function another(random: Random, value: unknown, wild: boolean): unknown {
  if (wild && random.percent(25)) return random.pick(OTHER_TYPES);
  if (typeof value === "string") return random.pick(wild ? [...GOOD_TEXTS, ...BAD_TEXTS] : GOOD_TEXTS);
  if (typeof value === "number") return random.pick(wild ? NUMBERS : [1, 2, 7, 80, 443]);
  if (typeof value === "boolean") return !value;
  if (Array.isArray(value))
    return random.percent(50) ? [...value, ...structuredClone(value.slice(0, 1))] : value.slice(1);
  return wild ? { ...(value as Fields), unknown: 1 } : value;
}

/** Sets what is at a path of a copy; `undefined` takes it away. */
function withValue<T extends Fields>(object: T, path: Place["path"], value: unknown): T {
  const copy = structuredClone(object);
  let holder: Record<string | number, unknown> = copy;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  if (value !== undefined) holder[last] = value;
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return copy;
}

/** The object with one place changed; `wild` changes may break its rules. */
export function edited<T extends Fields>(random: Random, object: T, wild: boolean): T {
  const place = random.pick(placesOf(object));
  const value = random.one<unknown>([
    [6, () => another(random, place.value, wild)],
    [2, () => undefined],
    [wild ? 1 : 0, () => null],
  ]);
  return withValue(object, place.path, value);
}

/** The object with less in it, as another owner would want it. */
export function reduced<T extends Fields>(random: Random, object: T): T {
  let less = object;
  for (let round = random.below(4); round > 0; round--) {
    const places = placesOf(less).filter(({ path }) => typeof path.at(-1) === "string" || random.percent(50));
    if (places.length > 0) less = withValue(less, random.pick(places).path, undefined);
  }
  return less;
}

/** A JSON patch of one or two operations. */
export function jsonPatch(random: Random, object: Fields): unknown[] {
  const pointer = (path: Place["path"]) => `/${path.map((key) => String(key).replaceAll("/", "~1")).join("/")}`;
  return random.list(1, 2, () => {
    const { path, value } = random.pick(placesOf(object));
    return random.one<object>([
      [3, () => ({ op: "replace", path: pointer(path), value: another(random, value, random.percent(20)) })],
      [2, () => ({ op: "remove", path: pointer(path) })],
      [2, () => ({ op: "add", path: pointer(path), value })],
      [1, () => ({ op: "test", path: pointer(path), value: another(random, value, false) })],
      [1, () => ({ op: "copy", from: pointer(path), path: "/metadata/labels/copied" })],
      [1, () => ({ op: "add", path: `${pointer(path)}/-`, value })],
    ]);
  });
}

/** A merge patch that changes one place; lists are sent whole. */
export function mergePatch(random: Random, object: Fields): Fields {
  const { path, value } = random.pick(
    placesOf(object).filter(({ path }) => path.every((key) => typeof key === "string")),
  );
  let patch: unknown = random.percent(30) ? null : another(random, value, random.percent(20));
  for (const key of [...path].reverse()) patch = { [key]: patch };
  return patch as Fields;
}

function keyOf(item: unknown): string | undefined {
  return isFields(item) ? KEYS.find((key) => key in item) : undefined;
}

function listPatch(random: Random, list: readonly unknown[], rest: unknown): unknown {
  const item = random.pick(list);
  const key = keyOf(item);
  if (key === undefined || !isFields(item)) return random.percent(50) ? list.slice(1) : [...list, "added"];
  return random.one<unknown>([
    [4, () => [{ [key]: item[key], ...(isFields(rest) ? rest : {}) }]],
    [2, () => [{ $patch: "delete", [key]: item[key] }]],
    [1, () => [{ $patch: "replace" }, item]],
    [1, () => [{ ...item, [key]: key === "port" || key === "containerPort" ? 8443 : "added" }]],
    [1, () => [{ note: "no key" }]],
  ]);
}

/** A strategic merge patch: list items by their keys, directives among them. */
export function strategicPatch(random: Random, object: Fields): Fields {
  const { path, value } = random.pick(placesOf(object));
  let patch: unknown = random.percent(20) ? null : another(random, value, random.percent(15));
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const key = path[depth]!;
    const holder = path.slice(0, depth).reduce<unknown>((at, step) => (at as Fields)[step], object);
    if (Array.isArray(holder)) patch = listPatch(random, holder, patch);
    else patch = { [key]: patch, ...directives(random, key as string, (holder as Fields)[key]) };
  }
  return patch as Fields;
}

function directives(random: Random, key: string, value: unknown): Fields {
  if (!random.percent(12)) return {};
  if (!Array.isArray(value)) return { $retainKeys: [key] };
  const by = keyOf(value[0]);
  if (by === undefined) return { [`$deleteFromPrimitiveList/${key}`]: value.slice(0, 1) };
  const order = [...value].reverse().map((item) => ({ [by]: (item as Fields)[by] }));
  return { [`$setElementOrder/${key}`]: order };
}
