import { readFileSync } from "node:fs";
import type { TlsIdentity, TlsSource } from "../hubble/index.ts";
import { onReplaced } from "../lab/replaced-file.ts";

/** Paths of PEM files, as the options of the process name them. */
export interface TlsFiles {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
}

/**
 * A certificate that is read again when its file is replaced, the key having been replaced before. Undefined when no file is
 * named. Throws when only some are, or one cannot be read.
 */
export function tlsFromFiles({ cert, key, ca }: TlsFiles): TlsSource | undefined {
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new Error("a certificate, its key and the other side's authority go together: name all three files");
  }
  const read = (): TlsIdentity => ({
    cert: readFileSync(cert, "utf8"),
    key: readFileSync(key, "utf8"),
    ca: readFileSync(ca, "utf8"),
  });
  let identity = read();
  const listeners = new Set<() => void>();
  onReplaced(cert, () => {
    identity = read();
    for (const listener of listeners) listener();
  });
  return { current: () => identity, onRenewed: (listener) => listeners.add(listener) };
}
