import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type Fields, isFields } from "../object.ts";

/** Signs and checks service account tokens (JWT, ES256). */
export interface TokenAuthority {
  sign(claims: Fields): string;
  /** The claims, or undefined when the text is no token or its signature is not ours. Times are not checked. */
  verify(token: string): Fields | undefined;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Tokens signed with the P-256 private key (PEM). */
export function tokenAuthority(pem: string): TokenAuthority {
  const key = createPrivateKey(pem);
  const publicKey = createPublicKey(key);
  const options = (of: KeyObject) => ({ key: of, dsaEncoding: "ieee-p1363" as const });
  return {
    sign(claims) {
      const body = `${encode({ alg: "ES256", typ: "JWT" })}.${encode(claims)}`;
      return `${body}.${sign("sha256", Buffer.from(body), options(key)).toString("base64url")}`;
    },
    verify(token) {
      const [head = "", claims = "", signature = "", ...rest] = token.split(".");
      const header = decode(head);
      if (rest.length > 0 || !isFields(header) || header.alg !== "ES256") return undefined;
      const signed = Buffer.from(`${head}.${claims}`);
      if (!verify("sha256", signed, options(publicKey), Buffer.from(signature, "base64url"))) return undefined;
      const decoded = decode(claims);
      return isFields(decoded) ? decoded : undefined;
    },
  };
}
