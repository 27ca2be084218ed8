/**
 * What a container's shim has written about it: lines `started <pid 1> <program> <ms>`, then `exited <code> <ms>`, or
 * `failed <code> <ms>` when the sandbox could not be made. Pids are the host's; the program is 0 when it ended at once.
 */
export interface ShimStatus {
  readonly initPid: number;
  readonly programPid: number;
  readonly startedAtMs: number;
  readonly end: { readonly code: number; readonly atMs: number; readonly failed: boolean } | undefined;
}

/** Reads the lines of a status file; an unfinished last line is left out. */
export function parseShimStatus(text: string): ShimStatus {
  let status: ShimStatus = { initPid: 0, programPid: 0, startedAtMs: 0, end: undefined };
  for (const line of text.split("\n").slice(0, -1)) {
    const [word, ...values] = line.split(" ");
    const [first = 0, second = 0, third = 0] = values.map(Number);
    if (word === "started") status = { ...status, initPid: first, programPid: second, startedAtMs: third };
    else status = { ...status, end: { code: first, atMs: second, failed: word === "failed" } };
  }
  return status;
}
