import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import { bits, boolean, integer, octets, oid, sequence, set, tagged, time, utf8 } from "./der.ts";

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** DNS names and IP addresses; a certificate with any is good for servers, every one is good for clients. */
  readonly subjectAltNames?: readonly string[];
  readonly days: number;
}

/** A certificate and its private key (PKCS #8), both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Who signs. Undefined makes a self-signed certificate authority. */
export interface Signer {
  readonly commonName: string;
  readonly key: KeyObject;
}

function distinguishedName(commonName: string, organizations: readonly string[] = []): Buffer {
  const part = (type: string, value: string) => set(sequence(oid(type), utf8(value)));
  return sequence(...organizations.map((name) => part("2.5.4.10", name)), part("2.5.4.3", commonName));
}

/** The 4 or 16 bytes of an address; IPv6 may be shortened. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => text.split(":").filter((group) => group !== "");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value));
}

function keyIdentifier(publicKey: Uint8Array): Buffer {
  return createHash("sha1").update(publicKey).digest();
}

function authorityExtensions(): Buffer[] {
  // keyCertSign and cRLSign are bits 5 and 6, digitalSignature is bit 0.
  return [
    extension("2.5.29.19", true, sequence(boolean(true))),
    extension("2.5.29.15", true, bits(Buffer.from([0b1000_0110]), 1)),
  ];
}

function leafExtensions(names: readonly string[]): Buffer[] {
  const usages = [oid("1.3.6.1.5.5.7.3.2"), ...(names.length > 0 ? [oid("1.3.6.1.5.5.7.3.1")] : [])];
  const extensions = [
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, bits(Buffer.from([0b1010_0000]), 5)),
    extension("2.5.29.37", false, sequence(...usages)),
  ];
  if (names.length > 0) {
    const general = names.map((name) =>
      isIP(name) ? tagged(0x87, addressBytes(name)) : tagged(0x82, Buffer.from(name)),
    );
    extensions.push(extension("2.5.29.17", false, sequence(...general)));
  }
  return extensions;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Issues a certificate on a fresh P-256 key (RFC 5280). Own DER, because an X.509 library costs a start 110 ms. */
export function issueCertificate(request: CertificateRequest, signer: Signer | undefined, now: Date): KeyPair {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuerKey = signer?.key ?? pair.privateKey;
  const spki = pair.publicKey.export({ type: "spki", format: "der" });
  const issuerSpki = signer ? createPublicKey(signer.key).export({ type: "spki", format: "der" }) : spki;
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const extensions = [
    ...(signer ? leafExtensions(request.subjectAltNames ?? []) : authorityExtensions()),
    extension("2.5.29.14", false, octets(keyIdentifier(spki))),
    extension("2.5.29.35", false, sequence(tagged(0x80, keyIdentifier(issuerSpki)))),
  ];
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_SHA256,
    signer ? distinguishedName(signer.commonName) : distinguishedName(request.commonName),
    // An hour back, for clocks that differ.
    sequence(time(new Date(now.getTime() - 3_600_000)), time(new Date(now.getTime() + request.days * DAY_MS))),
    distinguishedName(request.commonName, request.organizations),
    spki,
    tagged(0xa3, sequence(...extensions)),
  );
  const certificate = sequence(body, ECDSA_SHA256, bits(sign("sha256", body, issuerKey)));
  return {
    cert: pem("CERTIFICATE", certificate),
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}
