import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { TlsSource } from "../hubble/index.ts";
import { onReplaced } from "../lab/replaced-file.ts";
import type { CertificateSource } from "../metrics/index.ts";

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
  return watched(cert, () => ({ ...pair(cert, key), ca: readFileSync(ca, "utf8") }), refused);
}

/** The files of a server: those of its readers' authorities may be none. */
export interface ServerTlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCas: readonly string[];
}

/** The same for a server, whose readers need no certificate where no authority is named. Throws when a file cannot be read or is no good. */
export function serverCertificate(
  { cert, key, clientCas }: ServerTlsFiles,
  refused: (error: Error) => void,
): CertificateSource {
  const read = () => {
    const ca = clientCas.map((path) => readFileSync(path, "utf8")).join("\n");
    return { ...pair(cert, key), ...(clientCas.length > 0 && { ca }) };
  };
  return watched(cert, read, refused);
}

function pair(cert: string, key: string): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

interface Watched<T> {
  current(): T;
  onRenewed(listener: () => void): void;
}

function watched<T extends { readonly cert: string; readonly key: string; readonly ca?: string }>(
  path: string,
  readFiles: () => T,
  refused: (error: Error) => void,
): Watched<T> {
  const read = () => {
    const files = readFiles();
    // throws when they do not go together
    createSecureContext(files);
    return files;
  };
  let current = read();
  const listeners = new Set<() => void>();
  onReplaced(path, () => {
    try {
      current = read();
    } catch (error) {
      return refused(error as Error);
    }
    for (const listener of listeners) listener();
  });
  return { current: () => current, onRenewed: (listener) => listeners.add(listener) };
}
