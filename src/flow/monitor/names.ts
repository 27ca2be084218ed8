import type { DatapathEvent } from "../decode/event.ts";
import { RESERVED_NAMES } from "../print/names.ts";

/** What a printer needs of the node it runs on. */
export interface MonitorOptions {
  /** Identities as numbers, where reserved ones have names otherwise. */
  readonly numeric: boolean;
  /** Name of an interface, or its number when it has none. */
  readonly interfaceName: (ifindex: number) => string;
}

const STATES: Readonly<Record<number, string>> = { 0: "new", 1: "established", 2: "reply", 3: "related" };

/** Connection-tracking state of a trace; `unknown` when the program did not look. */
export function stateText(event: DatapathEvent): string {
  return STATES[event.ctStatus] ?? "unknown";
}

/** `world`, or the number. */
export function identityName(identity: number, numeric: boolean): string {
  return (numeric ? undefined : RESERVED_NAMES[identity]) ?? String(identity);
}

/** `19274->318` */
export function identityPair(event: DatapathEvent, options: MonitorOptions): string {
  return `${identityName(event.sourceIdentity, options.numeric)}->${identityName(event.destinationIdentity, options.numeric)}`;
}

export const hexNumber = (value: number) => `0x${value.toString(16)}`;

/** `CPU 00:`, what stands before the texts of an event that tell where it was seen. */
export const cpuText = (cpu: number): string => `CPU ${String(cpu).padStart(2, "0")}:`;
