export type LogLevel = "info" | "warn" | "error";

/** Tells the operator one thing. What has no level is a warning: parts say little but of what is not as it should be. */
export type Log = (message: string, level?: LogLevel) => void;
