import type { Place } from "../manifest.ts";

/** What is found, with its usual severity; docs/lint has a page on each. */
export const CODES = {
  SG000: ["error", "the input cannot be trusted"],
  SG001: ["warning", "a policy selects no workload"],
  SG002: ["warning", "a peer selects no workload"],
  SG003: ["error", "a rule that can never match"],
  SG004: ["warning", "a rule that never decides"],
  SG005: ["warning", "default deny by surprise"],
  SG006: ["error", "an empty list"],
  SG007: ["error", "names outside that nobody learns"],
  SG008: ["warning", "DNS is not allowed"],
  SG009: ["error", "a label that no identity has"],
  SG010: ["warning", "a very wide prefix"],
  SG011: ["warning", "the port of a service"],
  SG012: ["error", "a port name that no pod has"],
  SG013: ["error", "a database that is open to the world"],
  SG014: ["warning", "a workload without a policy"],
  SG015: ["warning", "a policy for pods on the host's network"],
  SG016: ["warning", "request rules that restrict nothing"],
  SG017: ["warning", "something without effect"],
  SG018: ["warning", "a selector that excludes nobody"],
  SG019: ["warning", "a rule whose other end refuses"],
  SG020: ["warning", "a suppression without a reason"],
  SG021: ["warning", "a suppression that is not needed"],
} as const satisfies Readonly<Record<string, readonly ["error" | "warning", string]>>;

export type Code = keyof typeof CODES;

/** One thing to say, where, and what to do about it. */
export interface Finding extends Place {
  readonly code: Code;
  /** What it is about: `CiliumNetworkPolicy shop/cart`; empty = a file. */
  readonly object: string;
  readonly message: string;
  readonly mend: string;
  /** A port number that should be another, or a name. */
  readonly ports?: { readonly from: number; readonly to: number | string };
  /** Why somebody wants it so; absent = nobody said. */
  readonly suppressedBecause?: string;
}

export function severityOf({ code }: Pick<Finding, "code">): "error" | "warning" {
  return CODES[code][0];
}
