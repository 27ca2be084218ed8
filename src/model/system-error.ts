const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ETIMEDOUT: "connection timed out",
};

/** What the kernel says of an error, in the C library's words, which Go's programs pass on; undefined of an error that is not the kernel's. */
export function kernelReason(error: unknown): string | undefined {
  return REASONS[(error as { readonly code?: string } | undefined)?.code ?? ""];
}

/** The error of a call that failed with this errno, as node's own sockets give it: with the errno's name as `code`. `names`: numbers by name, as this machine has them. */
export function callError(what: string, errno: number, names: Readonly<Record<string, number>>): Error {
  const name = Object.entries(names).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${what}: ${name}`), { code: name, errno });
}
