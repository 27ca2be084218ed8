import { kernelReason } from "../../model/system-error.ts";

/** Why a file could not be opened, as Go says it. */
export function openingError(path: string, error: unknown): string {
  const verb = (error as NodeJS.ErrnoException).code === "EISDIR" ? "read" : "open";
  return `${verb} ${path}: ${kernelReason(error) ?? (error as Error).message}`;
}
