/** A real TLS server on loopback, with an authority of its own. */
import { createPrivateKey } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { issueCertificate } from "../../src/kube/pki/certificate.ts";

export interface TlsServer {
  readonly port: number;
  /** PEM of the authority that its certificate is by. */
  readonly ca: string;
  /** The names that were asked for, in order; "" = none. */
  readonly names: string[];
  close(): void;
}

/** The PEM of an authority and of a certificate by it for these names. */
export function certificateFor(names: readonly string[]): { ca: string; cert: string; key: string } {
  const now = new Date();
  const authority = issueCertificate({ commonName: "test", days: 1 }, undefined, now);
  const signer = { commonName: "test", key: createPrivateKey(authority.key) };
  const leaf = issueCertificate({ commonName: "server", subjectAltNames: names, days: 1 }, signer, now);
  return { ca: authority.cert, ...leaf };
}

/** Serves every TLS client with a certificate for `names`. */
export async function startTlsServer(
  names: readonly string[],
  serve: (socket: TLSSocket) => void,
  more: TlsOptions = {},
): Promise<TlsServer> {
  const { ca, cert, key } = certificateFor(names);
  const asked: string[] = [];
  const options = { cert, key, ALPNProtocols: ["h2", "http/1.1"], allowHalfOpen: true, ...more };
  const server = createServer(options, (socket) => {
    asked.push((socket as { servername?: string | false }).servername || "");
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca,
    names: asked,
    close: () => server.close(),
  };
}
