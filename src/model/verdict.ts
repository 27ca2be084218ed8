/** Direction as the judged endpoint sees it. */
export type Direction = "ingress" | "egress";

export const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];

/** What decided a verdict; the numbers are those of Cilium's policy match types. */
export const MatchType = {
  None: 0,
  L3Only: 1,
  L3L4: 2,
  L4Only: 3,
  All: 4,
  L3Proto: 5,
  ProtoOnly: 6,
} as const;
export type MatchType = (typeof MatchType)[keyof typeof MatchType];
