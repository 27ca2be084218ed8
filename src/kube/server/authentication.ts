import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { fieldsOf, listOf } from "../object.ts";
import type { TokenAuthority } from "../pki/token.ts";
import { unauthorized } from "../status.ts";
import type { Store } from "../storage/store.ts";
import type { User } from "./context.ts";
import { impersonated } from "./impersonation.ts";

export const TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local";
const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

/** One parse a connection: reading a peer certificate costs more than most requests. */
const known = new WeakMap<TLSSocket, User | undefined>();

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)];
}

function certificateUser(socket: TLSSocket): User | undefined {
  if (known.has(socket)) return known.get(socket);
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  const subject = (certificate?.subject ?? {}) as Record<string, string | string[] | undefined>;
  const [name] = texts(subject.CN);
  const user = name ? { name, groups: [...texts(subject.O), "system:authenticated"] } : undefined;
  known.set(socket, user);
  return user;
}

/** What is known of a user beyond the name: the pod that the token was made for. */
function podExtra(name: string, uid: string): Record<string, string[]> {
  return { "authentication.kubernetes.io/pod-name": [name], "authentication.kubernetes.io/pod-uid": [uid] };
}

/**
 * The service account of a token, when it is signed by us, in time and for one of the audiences, and its account and pod
 * still exist.
 */
export function tokenUser(
  tokens: TokenAuthority,
  store: Store,
  token: string,
  now: number,
  audiences: readonly string[] = [TOKEN_ISSUER],
): (User & { readonly audiences: readonly string[] }) | undefined {
  const claims = tokens.verify(token);
  if (!claims || claims.iss !== TOKEN_ISSUER || Number(claims.exp) * 1000 <= now) return undefined;
  const shared = listOf(claims.aud)
    .map(String)
    .filter((audience) => audiences.includes(audience));
  if (shared.length === 0) return undefined;
  const bound = fieldsOf(claims["kubernetes.io"]);
  const namespace = String(bound.namespace);
  const account = fieldsOf(bound.serviceaccount);
  const stored = store.get("/serviceaccounts", namespace, String(account.name));
  if (stored?.object.metadata.uid !== account.uid) return undefined;
  const pod = fieldsOf(bound.pod);
  if (pod.name !== undefined) {
    const found = store.get("/pods", namespace, String(pod.name));
    if (found?.object.metadata.uid !== pod.uid) return undefined;
  }
  return {
    name: `system:serviceaccount:${namespace}:${String(account.name)}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    ...(stored?.object.metadata.uid ? { uid: stored.object.metadata.uid } : {}),
    ...(pod.name === undefined ? {} : { extra: podExtra(String(pod.name), String(pod.uid)) }),
    audiences: shared,
  };
}

/**
 * Who sent the request: by client certificate or bearer token, else anonymous; or whom they stand in for.
 * Throws 401 for bad credentials, 403 for who may not stand in.
 */
export function authenticate(request: IncomingMessage, tokens: TokenAuthority, store: Store, now: number): User {
  return impersonated(request, store, credentialsOwner(request, tokens, store, now));
}

function credentialsOwner(request: IncomingMessage, tokens: TokenAuthority, store: Store, now: number): User {
  const header = request.headers.authorization;
  const byCertificate = certificateUser(request.socket as TLSSocket);
  if (byCertificate) return byCertificate;
  if (header === undefined) return ANONYMOUS;
  const token = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
  const user = token === undefined ? undefined : tokenUser(tokens, store, token, now);
  if (!user) throw unauthorized();
  return user;
}
