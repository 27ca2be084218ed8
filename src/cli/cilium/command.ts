import { alignTabs } from "../../flow/print/index.ts";
import { CommandError } from "../cobra/run.ts";
import { type ApiCall, CallError, callAgent } from "./agent-client.ts";

/** Lines with tabs between their cells, aligned as the command's tables are. */
export function tabbed(lines: readonly string[], minWidth = 5): string {
  return alignTabs(lines.join(""), { minWidth, padding: 3 });
}

/** The JSON of a call, or the command ends with what `say` makes of the reason. */
export async function answerOf<T>(call: ApiCall, signal: AbortSignal, say: (reason: string) => string): Promise<T> {
  try {
    return await callAgent<T>(call, signal);
  } catch (error) {
    throw error instanceof CallError ? new CommandError(say(error.message)) : error;
  }
}

/** The same where the reason alone goes to standard error; undefined after it. */
export async function answerOrExit<T>(call: ApiCall, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await callAgent<T>(call, signal);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** A map's table: of keys and what stands beside them. The title's last cell does not count for the width. */
export function mapTable(title: string, beside: string, cells: readonly (readonly string[])[]): string {
  return tabbed([`${title}\t${beside}\n`, ...cells.map((row) => `${row.join("\t")}\t\n`)]);
}

/** Rows whose last cell ends like the others: the table of a policy. */
export function table(rows: readonly (readonly string[])[]): string {
  return tabbed(rows.map((row) => `${row.join("\t")}\t\n`));
}
