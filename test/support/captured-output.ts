import type { ChildProcess } from "node:child_process";
import { vi } from "vitest";

/** What was written to standard output and error. */
export interface Written {
  out: string;
  err: string;
}

/** Takes what this process writes until `release`. */
export function captureOutput(): { readonly written: Written; release(): void } {
  const written: Written = { out: "", err: "" };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      written.out += text;
      return true;
    }),
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      written.err += text;
      return true;
    }),
  ];
  return {
    written,
    release: () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
}

/** What a process writes until it ends, and its exit code. Rejects when it cannot be started. */
export function outcomeOf(child: ChildProcess): Promise<Written & { readonly code: number | null }> {
  const written: Written = { out: "", err: "" };
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    written.out += chunk;
  });
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => {
    written.err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...written, code }));
  });
}
