/** A set of rows that is treated as a whole. */
export interface Group {
  readonly rows: readonly number[];
}

/** Rows that are in the same groups. */
export interface Part<G extends Group> {
  readonly groups: readonly G[];
  readonly rows: number[];
}

interface Node<G extends Group> {
  readonly parent: Node<G> | undefined;
  readonly group: G | undefined;
  readonly rows: number[];
  /** The group that last branched off here, and the branch. */
  branchedBy: G | undefined;
  branch: Node<G> | undefined;
}

/** Node of each row, valid where the stamp is the current one. Kept between calls: zeroing it would cost more than the work. */
let nodes: unknown[] = [];
let stamps = new Uint32Array(0);
let stamp = 0;

function prepare(size: number): void {
  if (stamps.length < size) {
    stamps = new Uint32Array(size * 2);
    nodes = new Array(size * 2);
    stamp = 0;
  }
  stamp = (stamp + 1) >>> 0;
  if (stamp === 0) {
    stamps.fill(0);
    stamp = 1;
  }
}

/**
 * Parts rows by the groups that they are in: all rows of a part are in exactly `groups`, in the order given. Rows in no
 * group are in no part. Takes time linear in the sum of the groups' sizes. `size` is above every row.
 */
export function partition<G extends Group>(groups: readonly G[], size: number): Part<G>[] {
  prepare(size);
  const root: Node<G> = { parent: undefined, group: undefined, rows: [], branchedBy: undefined, branch: undefined };
  const all: Node<G>[] = [];
  const touched: number[] = [];
  for (const group of groups) {
    for (const row of group.rows) {
      let node = root;
      if (stamps[row] === stamp) node = nodes[row] as Node<G>;
      else {
        stamps[row] = stamp;
        touched.push(row);
      }
      if (node.branchedBy !== group) {
        node.branchedBy = group;
        node.branch = { parent: node, group, rows: [], branchedBy: undefined, branch: undefined };
        all.push(node.branch);
      }
      nodes[row] = node.branch;
    }
  }
  for (const row of touched) (nodes[row] as Node<G>).rows.push(row);
  return all.filter(({ rows }) => rows.length > 0).map((node) => ({ groups: groupsOf(node), rows: node.rows }));
}

function groupsOf<G extends Group>(node: Node<G>): G[] {
  const groups: G[] = [];
  for (let at: Node<G> | undefined = node; at?.group !== undefined; at = at.parent) groups.push(at.group);
  return groups.reverse();
}
