import { randomUUID } from "node:crypto";
import { type Fields, fieldsOf, isFields, type KubeObject, listOf, timestamp } from "../../object.ts";
import { invalid as invalidValue } from "../../schema/field-error.ts";
import { invalid, notFound } from "../../status.ts";
import { TOKEN_ISSUER } from "../authentication.ts";
import type { Api } from "../context.ts";
import { storedOf, type Target } from "../verbs/replace.ts";

const HOUR_SECONDS = 3600;
const MIN_SECONDS = 600;

/** What the token is bound to: only pods. Throws 404, 422. */
function bound(api: Api, namespace: string, reference: unknown): Fields {
  if (!isFields(reference)) return {};
  if (reference.kind !== "Pod") {
    throw invalid({ group: "authentication.k8s.io", resource: "tokenrequests", kind: "TokenRequest" }, "", [
      {
        field: "spec.boundObjectRef.kind",
        reason: "FieldValueNotSupported",
        message: `Unsupported value: ${JSON.stringify(reference.kind)}: supported values: "Pod"`,
      },
    ]);
  }
  const name = String(reference.name);
  const pod = api.store.get("/pods", namespace, name);
  if (!pod) throw notFound({ group: "", resource: "pods", kind: "Pod" }, name);
  return { pod: { name, uid: pod.object.metadata.uid } };
}

function tooShort(seconds: number): never {
  throw invalid({ group: "authentication.k8s.io", resource: "tokenrequests", kind: "TokenRequest" }, "", [
    invalidValue("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"),
  ]);
}

/** POST serviceaccounts/<name>/token: a signed token for the account. */
export function requestToken(api: Api, target: Target, body: unknown): KubeObject {
  const account = storedOf(api, target).object;
  const spec = fieldsOf(fieldsOf(body).spec);
  const audiences = listOf(spec.audiences).map(String);
  const seconds = Number(spec.expirationSeconds ?? HOUR_SECONDS);
  if (seconds < MIN_SECONDS) tooShort(seconds);
  const now = Math.floor(api.now() / 1000);
  const { namespace, name } = target;
  const token = api.tokens.sign({
    iss: TOKEN_ISSUER,
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: audiences.length > 0 ? audiences : [TOKEN_ISSUER],
    iat: now,
    nbf: now,
    exp: now + seconds,
    jti: randomUUID(),
    "kubernetes.io": {
      namespace,
      serviceaccount: { name, uid: account.metadata.uid },
      ...bound(api, namespace, spec.boundObjectRef),
    },
  });
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name, namespace, creationTimestamp: timestamp(api.now()) },
    spec: { ...spec, audiences: audiences.length > 0 ? audiences : [TOKEN_ISSUER], expirationSeconds: seconds },
    status: { token, expirationTimestamp: timestamp((now + seconds) * 1000) },
  };
}
