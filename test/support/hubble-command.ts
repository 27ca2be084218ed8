import { spawn } from "node:child_process";
import { runTree } from "../../src/cli/cobra/tree.ts";
import { hubbleTree } from "../../src/cli/hubble/tree.ts";
import { captureOutput, outcomeOf } from "./captured-output.ts";

/** What a command wrote and how it ended. */
export interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

type Environment = Readonly<Record<string, string>>;

/** A configuration file that is not there, and no colours by chance. */
export const QUIET: Environment = { HUBBLE_CONFIG: "/nonexistent/config.yaml", NO_COLOR: "", HOME: "/root" };

/** Our hubble command within this process, whose standard output and error it takes meanwhile. */
export async function ourHubble(args: readonly string[], env: Environment = {}): Promise<Outcome> {
  const { written, release } = captureOutput();
  let code = 0;
  try {
    await runTree(hubbleTree({ ...QUIET, ...env }), args, AbortSignal.timeout(60_000));
  } catch (error) {
    code = 1;
    written.err += `${error instanceof Error ? error.message : error}\n`;
  } finally {
    release();
  }
  return { ...written, code };
}

/** Another hubble command. */
export function runHubble(program: string, args: readonly string[], env: Environment = {}): Promise<Outcome> {
  const child = spawn(program, args, { env: { ...process.env, ...QUIET, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  return outcomeOf(child);
}

/**
 * Without what two runs never share: times of log lines, and the spaces that Go's protobuf varies from build to build,
 * in its errors and in requests as they are logged.
 */
export function comparable({ out, err, code }: Outcome): Outcome {
  const settled = err
    .replaceAll(/^time=\S+/gm, "time=T")
    .replaceAll("\\u00a0", " ")
    .replaceAll("\u00a0", " ")
    .replaceAll(/ req=.*/g, " req=");
  return { out, err: settled, code };
}
