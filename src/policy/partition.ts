/** A set of rows that is treated as a whole. */
export interface Group {
  readonly rows: readonly number[];
}

/** Rows that are in the same groups, each by its identity. */
export interface Part<G extends Group> {
  readonly groups: readonly G[];
  readonly ids: number[];
}

/**
 * For each row the node that it is at, counted from `base`: numbers below it are of earlier calls and mean the root. Kept
 * between calls, for zeroing it would cost more than the work itself.
 */
let nodeOf = new Int32Array(0);
let base = 1;

function prepare(size: number, mostNodes: number): void {
  if (nodeOf.length < size) {
    nodeOf = new Int32Array(size * 2);
    base = 1;
  }
  if (base + mostNodes < 2 ** 31) return;
  nodeOf.fill(0);
  base = 1;
}

/**
 * Parts rows by the groups that they are in: all rows of a part are in exactly `groups`, in the order given. Rows in no
 * group are in no part. Takes time linear in the sum of the groups' sizes. `idOf` gives the identity of every row.
 */
export function partition<G extends Group>(groups: readonly G[], idOf: readonly number[]): Part<G>[] {
  let total = 0;
  for (const { rows } of groups) total += rows.length;
  prepare(idOf.length, total + 1);
  // Node 0 is the root: in no group yet. Of the others, which group led there, and from where.
  const parents: number[] = [0];
  const leads: (G | undefined)[] = [undefined];
  const branches: number[] = [0];
  const touched: number[] = [];
  const root = base;
  for (const group of groups) {
    const firstNew = parents.length;
    for (const row of group.rows) {
      const isFirst = nodeOf[row]! < root;
      if (isFirst) touched.push(row);
      const at = isFirst ? 0 : nodeOf[row]! - root;
      let branch = branches[at]!;
      // A branch that an earlier group made is not this group's.
      if (branch < firstNew) {
        branch = parents.push(at) - 1;
        leads.push(group);
        branches.push(0);
        branches[at] = branch;
      }
      nodeOf[row] = root + branch;
    }
  }
  const idsOf: (number[] | undefined)[] = new Array(parents.length);
  for (const row of touched) {
    const node = nodeOf[row]! - root;
    const ids = idsOf[node];
    if (ids === undefined) idsOf[node] = [idOf[row]!];
    else ids.push(idOf[row]!);
  }
  base += parents.length;
  // Parts live long: they get lists without room to spare.
  return idsOf.flatMap((ids, node) =>
    ids === undefined ? [] : [{ groups: pathTo(node, parents, leads), ids: ids.slice() }],
  );
}

function pathTo<G>(node: number, parents: readonly number[], leads: readonly (G | undefined)[]): G[] {
  const path: G[] = [];
  for (let at = node; at !== 0; at = parents[at]!) path.push(leads[at]!);
  return path.reverse().slice();
}
