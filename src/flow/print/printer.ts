import type { Palette } from "./color.ts";
import type { TimeFormat } from "./time.ts";

export interface PrintOptions {
  readonly palette: Palette;
  readonly timeFormat: TimeFormat;
  readonly nodeName: boolean;
  readonly policyNames: boolean;
  /** Addresses in place of names. */
  readonly numeric: boolean;
  /** Also says which nodes connected. */
  readonly debug: boolean;
}

/** What one response becomes: text for standard output and text for standard error, each with its line ends, or empty. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

/** Turns responses into text, in order; `finish` gives what a format can only write at the end. */
export interface Printer<Response> {
  print(response: Response): Printed;
  finish(): string;
}

export const NOTHING: Printed = { out: "", err: "" };
