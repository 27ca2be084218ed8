/** Sizes that the engine refuses to exceed; the first three are Cilium's. */
export const Limits = {
  /** Ports in one `toPorts` element. */
  PortsPerRule: 40,
  /** Fields in one `icmps` element. */
  IcmpFieldsPerRule: 40,
  /** Characters of an IANA service name. */
  PortNameLength: 15,
  /** Entries of one endpoint's policy map in the kernel, which is made to measure for each policy. */
  PolicyMapEntries: 131_072,
  /** Blocks of ports that the proxied ranges of one direction are cut into. */
  RedirectPieces: 262_144,
  /** Comparisons of rules with blocks of ports for one direction whose rules pass traffic on: some seconds. */
  PassComparisons: 300_000_000,
  /** Characters of one regular expression in an HTTP rule. */
  RegexLength: 4_096,
  /** Instructions of its program, which bound the time that a match may take for each character. */
  RegexProgramSize: 5_000,
  /** Instructions of all expressions of one policy object, a named class of characters counted as fifty. */
  RegexCostPerPolicy: 3_000_000,
  /** Regular expressions that are remembered as good. */
  CheckedRegexes: 1_024,
  /** Subjects whose policies are remembered; beyond that the oldest are forgotten. */
  CachedSubjects: 4_096,
} as const;
