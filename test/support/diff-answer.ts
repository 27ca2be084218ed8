import type { PolicyDiff } from "../../src/prove/diff/diff.ts";
import type { DiffParty } from "../../src/prove/diff/parties.ts";

/** What a diff says. */
export interface Said {
  readonly opened: boolean;
  readonly closed: boolean;
  readonly unknown: boolean;
  /** The whole of it, not some requests; known of one pair alone. */
  readonly isWhole: boolean;
}

/** What the diff says of one port of one connection. */
export function saidOf(
  diff: PolicyDiff,
  isFrom: (party: DiffParty) => boolean,
  isTo: (party: DiffParty) => boolean,
  [protocol, port]: readonly [string, number],
): Said {
  const isOne = diff.parties.filter(isFrom).length === 1 && diff.parties.filter(isTo).length === 1;
  const groups = diff.groups.filter(({ from, to }) => from.some(isFrom) && to.some(isTo));
  const changes = groups
    .flatMap((group) => group.changes)
    .filter((change) =>
      change.protocol === "ANY"
        ? !change.except?.includes(protocol)
        : change.protocol === protocol && change.first <= port && port <= change.last,
    );
  return {
    opened: changes.some(({ kind }) => kind === "opened"),
    closed: changes.some(({ kind }) => kind === "closed"),
    unknown: groups.some(({ missing }) => missing !== undefined),
    isWhole:
      isOne && changes.some(({ requests, authentication }) => requests === undefined && authentication === undefined),
  };
}

/** The policies without the first, which one of others takes the place of, under a name of its own. */
export function firstReplaced(policies: readonly unknown[], others: readonly unknown[]): unknown[] {
  const renamed = others.slice(0, 1).map((policy) => {
    const object = policy as { metadata: object };
    return { ...object, metadata: { ...object.metadata, name: "replaced" } };
  });
  return [...policies.slice(1), ...renamed];
}
