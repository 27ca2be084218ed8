/** A module's health, as the agent's table has it; as far as it is shown. */
export interface ModuleHealth {
  readonly ID: { readonly Module: readonly string[]; readonly Component: readonly string[] };
  readonly Level: string;
  readonly Message: string;
  /** RFC 3339. */
  readonly Updated: string;
  readonly Count: number;
}

interface TreeNode {
  readonly name: string;
  readonly children: TreeNode[];
  meta: string;
}

const LEAF_WIDTH = 40;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** In Kubernetes' way: units that suit how long it is; limit, unit, its letter, and the smaller unit beside it. */
const AGES: readonly (readonly [limit: number, unit: number, letter: string, smaller?: readonly [number, string]])[] = [
  [2 * MINUTE, 1, "s"],
  [10 * MINUTE, MINUTE, "m", [1, "s"]],
  [3 * HOUR, MINUTE, "m"],
  [8 * HOUR, HOUR, "h", [MINUTE, "m"]],
  [2 * DAY, HOUR, "h"],
  [8 * DAY, DAY, "d", [HOUR, "h"]],
  [Number.POSITIVE_INFINITY, DAY, "d"],
];

function ageText(time: string, now: number): string {
  if (time.startsWith("0001-")) return "n/a";
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  const [, unit, letter, smaller] = AGES.find(([limit]) => seconds < limit)!;
  const whole = `${Math.floor(seconds / unit)}${letter}`;
  if (smaller === undefined) return whole;
  const rest = Math.floor((seconds % unit) / smaller[0]);
  return rest === 0 ? whole : `${whole}${rest}${smaller[1]}`;
}

const idOf = ({ ID }: ModuleHealth) => [...ID.Module, ...ID.Component].join(".");

function insert(root: TreeNode, path: readonly string[], meta: string): void {
  let node = root;
  for (const name of path) {
    let next = node.children.find((child) => child.name === name);
    if (next === undefined) {
      next = { name, children: [], meta: "" };
      node.children.push(next);
    }
    node = next;
  }
  node.meta = meta;
}

function depthOf(node: TreeNode): number {
  return node.children.length === 0 ? 0 : 1 + Math.max(...node.children.map(depthOf));
}

function lines(nodes: readonly TreeNode[], level: number, depth: number, margin: string): string[] {
  const sorted = nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.flatMap((node, index) => {
    const isLast = index === sorted.length - 1;
    const steps = Math.max(depth - level, 0);
    const padded =
      node.meta === "" ? node.name : `${node.name.padEnd(LEAF_WIDTH + steps * 2)}${"  ".repeat(steps)}${node.meta}`;
    const own = `${margin}${isLast ? "└──" : "├──"} ${padded}`;
    return [own, ...lines(node.children, level + 1, depth, `${margin}${isLast ? "    " : "│   "}`)];
  });
}

/** How the agent's modules are: counted, and one by one as a tree when all are asked for. */
export function modulesText(modules: readonly ModuleHealth[], isFull: boolean, now: number): string {
  const count = (level: string) => `${level}(${modules.filter(({ Level }) => Level === level).length})`;
  const summary = `Modules Health:\t${["Stopped", "Degraded", "OK"].map(count).join(" ")}\n`;
  if (!isFull || modules.length === 0) return summary;
  const root: TreeNode = { name: "", children: [], meta: "" };
  for (const module of modules.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))) {
    const age = ageText(module.Updated, now);
    const meta = `[${module.Level.toUpperCase()}] ${module.Message} (${age}, x${module.Count})`;
    insert(root, idOf(module).split("."), meta);
  }
  const trees = root.children.flatMap((tree) => [tree.name, ...lines(tree.children, 0, depthOf(tree), "")]);
  return `${summary}${trees.map((line) => `  ${line}\n`).join("")}  \n`;
}
