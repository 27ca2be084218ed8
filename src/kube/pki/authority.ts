import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CertificateRequest, issueCertificate, type KeyPair } from "./certificate.ts";

const AUTHORITY = "kubernetes";
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
const RENEW_BEFORE_MS = 30 * 86_400_000;

/** The names under which the API server answers inside the lab. */
export const API_SERVER_NAMES: readonly string[] = [
  "127.0.0.1",
  "localhost",
  "192.168.10.100",
  "10.96.0.1",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];

/** The cluster's certificate authority, with its files in one directory. */
export interface Authority {
  readonly directory: string;
  /** The authority's own certificate, PEM. */
  readonly ca: string;
  /** A certificate for clients: the user is the common name, the groups the organizations. Kept as `<file>.crt/.key`. */
  client(file: string, user: string, groups: readonly string[]): KeyPair;
  /** A certificate for a server (also good as a client's), valid for the names and addresses. Kept as `<file>.crt/.key`. */
  server(file: string, user: string, names: readonly string[], groups?: readonly string[]): KeyPair;
  /** The P-256 key that signs service account tokens, PEM. */
  readonly tokenKey: string;
}

function writePrivately(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function readPair(directory: string, file: string): KeyPair | undefined {
  const [certPath, keyPath] = [join(directory, `${file}.crt`), join(directory, `${file}.key`)];
  if (!existsSync(certPath) || !existsSync(keyPath)) return undefined;
  return { cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") };
}

function writePair(directory: string, file: string, pair: KeyPair): KeyPair {
  // The certificate last: a pair that is half written counts as missing.
  writePrivately(join(directory, `${file}.key`), pair.key);
  writePrivately(join(directory, `${file}.crt`), pair.cert);
  return pair;
}

/** True while the kept certificate is signed by this authority, matches its key and request, and is not about to end. */
function stillGood(pair: KeyPair, ca: X509Certificate, request: CertificateRequest, now: Date): boolean {
  const certificate = new X509Certificate(pair.cert);
  if (Date.parse(certificate.validTo) - now.getTime() < RENEW_BEFORE_MS) return false;
  if (!certificate.verify(ca.publicKey) || !certificate.checkPrivateKey(createPrivateKey(pair.key))) return false;
  const subject = [...(request.organizations ?? []).map((name) => `O=${name}`), `CN=${request.commonName}`];
  if (certificate.subject !== subject.join("\n")) return false;
  const names = (certificate.subjectAltName ?? "").split(", ").map((name) => name.replace(/^(DNS|IP Address):/, ""));
  return (request.subjectAltNames ?? []).every((name) => names.includes(name));
}

/** Opens the authority in a directory, called `name`; makes it, or renews what is about to end, when needed. */
export function openAuthority(directory: string, now: Date = new Date(), name = AUTHORITY): Authority {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const self: CertificateRequest = { commonName: name, days: AUTHORITY_DAYS };
  const root = readPair(directory, "ca") ?? writePair(directory, "ca", issueCertificate(self, undefined, now));
  const ca = new X509Certificate(root.cert);
  const signer = { commonName: name, key: createPrivateKey(root.key) };
  const issue = (file: string, request: CertificateRequest): KeyPair => {
    const kept = readPair(directory, file);
    if (kept && stillGood(kept, ca, request, now)) return kept;
    return writePair(directory, file, issueCertificate(request, signer, now));
  };
  // Any P-256 pair will do for tokens; its certificate is not used.
  const token = issue("sa", { commonName: "service-accounts", days: LEAF_DAYS * 10 });
  return {
    directory,
    ca: root.cert,
    tokenKey: token.key,
    client: (file, user, groups) => issue(file, { commonName: user, organizations: groups, days: LEAF_DAYS }),
    server: (file, user, names, groups = []) =>
      issue(file, { commonName: user, organizations: groups, subjectAltNames: names, days: LEAF_DAYS }),
  };
}
