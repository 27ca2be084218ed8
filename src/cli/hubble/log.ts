import { quoteGo } from "../../flow/print/index.ts";

/** A word of a log line: in quotes when it is empty or holds what would split it. */
const word = (text: string) =>
  text === "" || /[\s"=]|[^\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(text) ? quoteGo(text) : text;

/** Writes a line to standard error as Go's log/slog does in its text form. */
export function log(level: "DEBUG" | "WARN", message: string, attributes: Readonly<Record<string, string>> = {}): void {
  const rest = Object.entries(attributes).map(([key, value]) => ` ${key}=${word(value)}`);
  process.stderr.write(`time=${new Date().toISOString()} level=${level} msg=${word(message)}${rest.join("")}\n`);
}
