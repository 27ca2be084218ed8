import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { TlsIdentity, TlsSource } from "../hubble/index.ts";
import { onReplaced } from "../lab/replaced-file.ts";

/** Paths of PEM files, as the options of the process name them. */
export interface TlsFiles {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
}

/**
 * A certificate that is read again when its file is replaced, the key having been replaced before; one that is no good is told to
 * `refused`, and the earlier stays. Undefined when no file is named. Throws when only some are, or one cannot be read.
 */
export function tlsFromFiles({ cert, key, ca }: TlsFiles, refused: (error: Error) => void): TlsSource | undefined {
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new Error("a certificate, its key and the other side's authority go together: name all three files");
  }
  const read = (): TlsIdentity => {
    const identity = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8"), ca: readFileSync(ca, "utf8") };
    // throws when they do not go together
    createSecureContext(identity);
    return identity;
  };
  let identity = read();
  const listeners = new Set<() => void>();
  onReplaced(cert, () => {
    try {
      identity = read();
    } catch (error) {
      return refused(error as Error);
    }
    for (const listener of listeners) listener();
  });
  return { current: () => identity, onRenewed: (listener) => listeners.add(listener) };
}
